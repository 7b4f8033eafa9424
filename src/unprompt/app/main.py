"""The web app's frame: Streamlit runs this file, and the page that is open, for every visitor and click."""

from __future__ import annotations

import streamlit as st

from unprompt.app.looks import ICON, brand, enable_copying, foot, set_style
from unprompt.app.picture_inputs import accept_pasted, go_on_after_reload, notice_refusals
from unprompt.app.settings import current_settings

PAGES = {
    "prompt": "Prompt",
    "caption": "Caption",
    "compare": "Compare",
    "colour": "Colouring pages",
    "words": "Colour by words",
    "doodle": "Doodle to photo",
    "run": "Run",
}
FIRST = "prompt"

# A Material icon as page_icon would be fetched from the network.
st.set_page_config(page_icon=str(ICON), layout="wide")
set_style()
pages = [
    st.Page(f"{name}_page.py", title=title, url_path=None if name == FIRST else name, default=name == FIRST)
    for name, title in PAGES.items()
]


def go_first() -> None:
    """Streamlit has the first page at / alone: who types its name, as one can the others', comes there."""
    st.switch_page(pages[0])


page = st.navigation([*pages, st.Page(go_first, url_path=FIRST)], position="hidden")
st.set_page_config(page_title=f"{page.title} · unprompt")
with st.container(horizontal=True, key="pages", gap="xsmall", vertical_alignment="center"):
    brand()
    for one in pages:
        st.page_link(one)
    go_on_after_reload()
    accept_pasted()
    notice_refusals()
    enable_copying()
page.run()
foot(current_settings().bundle, current_settings().webui)

"""What a member is, how members are blended and scored, weights that are fitted, and the prior.

Members' kinds are declared with what is here; the members themselves are in `members/`. May import storage
and networks.
"""

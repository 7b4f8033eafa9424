# Complete lines in an interactive zsh, with the completion script in the folder $1, in the folder $2, and write what
# is offered to the file $3: a word a line, and == after each of the lines $4 and on.
zmodload zsh/zpty
export SCRIPTS=$1 PLACE=$2 OFFERED=$3
shift 3
cat > $OFFERED.setup <<'END'
fpath=($SCRIPTS $fpath)
autoload -Uz compinit
compinit -u -D
compadd() {
    local -a offered
    (( ${argv[(I)-[OAD]*]} )) || { builtin compadd -O offered "$@"; (( $#offered )) && print -rl -- $offered >> $OFFERED }
    builtin compadd "$@"
}
complete-and-tell() { zle list-choices; print -- "==" >> $OFFERED; BUFFER=; print "TO""LD" }
zle -N complete-and-tell
bindkey '^I' complete-and-tell
cd $PLACE
print "READ""Y"
END
: > $OFFERED
zpty shell zsh -f -i
zpty -w shell "source $OFFERED.setup"
zpty -r shell seen '*READY*'
for line; do
    zpty -n -w shell "$line"$'\t'
    zpty -r shell seen '*TOLD*'
done

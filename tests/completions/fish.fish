# Loads the completion FILE and prints what fish would offer for the last of the words.
source $argv[1]
complete -C (string join ' ' -- $argv[2..]) | string replace -r '\t.*' ''

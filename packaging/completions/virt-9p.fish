# fish completion for virt-9p. Installed as /usr/share/fish/vendor_completions.d/virt-9p.fish.

set -l commands check rules convert doctor explain hook help
set -l none "not __fish_seen_subcommand_from $commands"
set -l looks "__fish_seen_subcommand_from check rules convert"
set -l reads "__fish_seen_subcommand_from check rules convert doctor"

# The program knows its findings best.
function __virt_9p_codes
    virt-9p explain 2>/dev/null | string replace -r '  +' \t
end

complete -c virt-9p -f
complete -c virt-9p -n $none -a check -d 'Find what is wrong with the 9p arguments of domains'
complete -c virt-9p -n $none -a rules -d 'Show the AppArmor rules a domain would get'
complete -c virt-9p -n $none -a convert -d 'Turn <filesystem> into raw arguments, or back'
complete -c virt-9p -n $none -a doctor -d 'See whether this host is in order'
complete -c virt-9p -n $none -a explain -d 'Say what a finding means'
complete -c virt-9p -n $none -a hook -d 'What libvirt calls, by hand'
complete -c virt-9p -n $none -a help -d 'Show the help of a command'
complete -c virt-9p -n "__fish_seen_subcommand_from help" -a 'check rules convert doctor explain hook'
complete -c virt-9p -n $none -s V -l version -d 'Show the version'

complete -c virt-9p -s h -l help -d 'Show help'
complete -c virt-9p -l root -x -a '(__fish_complete_directories)' -d 'Read and write below a copy of a host'
complete -c virt-9p -l color -x -a 'auto always never' -d 'Use colours or not'

complete -c virt-9p -n $looks -l libvirt -x -d 'Assume this libvirt (X.Y.Z)'
complete -c virt-9p -n $looks -l qemu -x -d 'Assume this QEMU (X.Y.Z)'
complete -c virt-9p -n $looks -l no-host -d 'Look at nothing but the XML'

complete -c virt-9p -n "__fish_seen_subcommand_from check doctor" -l format -x -a 'text json' -d 'How to print'
complete -c virt-9p -n "__fish_seen_subcommand_from check" -l strict -d 'Warnings count as errors'
complete -c virt-9p -n "__fish_seen_subcommand_from check" -l fix -d 'Write what has one right answer'

set -l convert "__fish_seen_subcommand_from convert"
complete -c virt-9p -n $convert -l to -x -a 'native commandline' -d 'The spelling wanted'
complete -c virt-9p -n $convert -l target -x -d 'Only the share with this tag'
complete -c virt-9p -n $convert -l fmode -x -a '0600 0640 0644 0660 0664' -d 'Mode of files'
complete -c virt-9p -n $convert -l dmode -x -a '0700 0750 0755 0770 0775' -d 'Mode of directories'
complete -c virt-9p -n $convert -l device -x -a 'text json' -d 'How to write the device'
complete -c virt-9p -n $convert -l keep-address -d 'Leave shares where libvirt put them'

set -l writes "__fish_seen_subcommand_from check convert"
complete -c virt-9p -n $writes -l diff -d 'Print a diff'
complete -c virt-9p -n $writes -l output -r -F -d 'Write to a file'
complete -c virt-9p -n $writes -l in-place -d 'Change the file, keep a backup'

complete -c virt-9p -n "__fish_seen_subcommand_from explain" -a '(__virt_9p_codes)'
complete -c virt-9p -n $reads -F -a '/etc/libvirt/qemu/*.xml'

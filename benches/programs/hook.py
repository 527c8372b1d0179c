"""What people write today, with a parser: finds the raw shares, and prints their rules."""
import sys
import xml.etree.ElementTree as ElementTree

NAMESPACE = "{http://libvirt.org/schemas/domain/qemu/1.0}"
if sys.argv[2:4] == ["prepare", "begin"]:
    for arg in ElementTree.parse(sys.stdin).iter(NAMESPACE + "arg"):
        options = dict(o.split("=", 1) for o in arg.get("value").split(",") if "=" in o)
        if "path" in options:
            path = options["path"]
            print(f'"{path}/" r,\n"{path}/**" rwl,')

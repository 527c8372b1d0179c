//! Words with paths for a real QEMU: at least one form for each row of the table, with awkward
//! names in the spelling of its grammar.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;
use virt_9p::qemu::host_paths::table::ROWS;

/// What lies at the path before QEMU starts.
#[derive(Clone, Copy)]
pub enum Prepared {
    Nothing,
    File,
    /// A file, or nothing.
    Either,
    Directory,
    Socket,
    /// `.in` and `.out`, or the bare name.
    Fifos,
    /// Nothing in it.
    Empty,
    /// Some letters.
    Text,
    /// A mebibyte, or nothing.
    Memory,
    /// The header of a Linux kernel.
    Kernel,
    /// The size of a flash chip.
    Flash,
    /// An empty qcow2 image of a mebibyte.
    Qcow2,
    /// An ACPI table.
    Table,
    /// An SMBIOS structure.
    Smbios,
    /// A directory with keys of this kind.
    Keys(&'static [&'static str]),
}

pub struct Form {
    /// The row of the table.
    pub row: (&'static str, &'static str, &'static str),
    /// `{w}` stands for a path as it is, `{o}` with commas doubled, `{j}` as JSON, `{oj}` as both;
    /// `{l}` as `{o}` without a colon, `{s}` as it is without comma and blank; `#` for a number.
    pub words: &'static [&'static str],
    pub prepared: Prepared,
    /// QEMU ends there, or it goes with nothing else.
    pub alone: bool,
    /// Only one of a group goes into one run.
    pub group: &'static str,
}

impl Form {
    /// The first QEMU that takes these words: the row's, or that of their JSON (-object 6.0,
    /// -device 6.2).
    pub fn since(&self) -> (u8, u8) {
        let row = ROWS.iter().find(|row| row.words() == self.row);
        let mut since = row.unwrap().since;
        for pair in self.words.windows(2) {
            let json = match pair[0] {
                "-object" => (6, 0),
                "-device" => (6, 2),
                _ => continue,
            };
            if pair[1].starts_with('{') {
                since = since.max(json);
            }
        }
        // Read-only memory is newer than its option; of a trace 5.2 opens the file later.
        let has = |word: &str| self.words.iter().any(|one| one.contains(word));
        if has("readonly=on,mem-path") || has("'readonly':true,'mem-path'") {
            since = since.max((6, 0));
        }
        if self.words.contains(&"-audio") {
            since = since.max((7, 1));
        }
        if self.row == ("trace", "", "file") {
            since = since.max((7, 0));
        }
        since
    }

    /// The first QEMU that does not take them any more.
    pub fn until(&self) -> (u8, u8) {
        let is_alias = matches!(self.row.1, "tty" | "parport");
        if is_alias { (10, 0) } else { (u8::MAX, 0) }
    }
}

const fn form(
    row: (&'static str, &'static str, &'static str),
    words: &'static [&'static str],
    prepared: Prepared,
) -> Form {
    Form {
        row,
        words,
        prepared,
        alone: false,
        group: "",
    }
}

const fn alone(
    row: (&'static str, &'static str, &'static str),
    words: &'static [&'static str],
    prepared: Prepared,
) -> Form {
    Form {
        alone: true,
        ..form(row, words, prepared)
    }
}

const fn once(
    group: &'static str,
    row: (&'static str, &'static str, &'static str),
    words: &'static [&'static str],
    prepared: Prepared,
) -> Form {
    Form {
        group,
        ..form(row, words, prepared)
    }
}

use Prepared::{
    Directory, Either, Fifos, File, Flash, Kernel, Keys, Nothing, Smbios, Socket, Table, Text,
};

const MEMORY: (&str, &str, &str) = ("object", "memory-backend-file", "mem-path");
const SOCKET: (&str, &str, &str) = ("chardev", "socket", "path");
const FILE: (&str, &str, &str) = ("chardev", "file", "path");
const PIPE: (&str, &str, &str) = ("chardev", "pipe", "path");
const IMAGE: (&str, &str, &str) = ("blockdev", "file", "filename");
const X509: (&str, &str, &str) = ("object", "tls-creds-x509", "dir");

pub static FORMS: &[Form] = &[
    form(
        MEMORY,
        &["-object", "memory-backend-file,id=m#,size=1M,mem-path={o}"],
        Prepared::Memory,
    ),
    form(
        MEMORY,
        &[
            "-object",
            "memory-backend-file,id=m#,size=1M,share=on,mem-path={o}",
        ],
        Directory,
    ),
    form(
        MEMORY,
        &[
            "-object",
            "memory-backend-file,id=m#,size=64K,readonly=on,mem-path={o}",
        ],
        Flash,
    ),
    form(
        MEMORY,
        &[
            "-object",
            "{'qom-type':'memory-backend-file','id':'m#','size':1048576,'mem-path':{j}}",
        ],
        Prepared::Memory,
    ),
    form(
        MEMORY,
        &[
            "-object",
            "{'qom-type':'memory-backend-file','id':'m#','size':65536,'readonly':true,'mem-path':{j}}",
        ],
        Flash,
    ),
    alone(("mem-path", "", ""), &["-mem-path", "{w}"], Directory),
    alone(("mem-path", "", ""), &["-mem-path", "{w}"], Nothing),
    alone(
        ("object", "input-linux", "evdev"),
        &["-object", "input-linux,id=i#,evdev={o}"],
        File,
    ),
    alone(
        ("object", "input-linux", "evdev"),
        &[
            "-object",
            "{'qom-type':'input-linux','id':'i#','evdev':{j}}",
        ],
        File,
    ),
    alone(
        ("device", "virtio-input-host*", "evdev"),
        &["-device", "virtio-input-host-pci,evdev={o}"],
        File,
    ),
    form(
        ("object", "rng-random", "filename"),
        &["-object", "rng-random,id=r#,filename={o}"],
        File,
    ),
    form(
        ("object", "secret", "file"),
        &["-object", "secret,id=s#,file={o}"],
        File,
    ),
    form(
        ("object", "secret", "file"),
        &["-object", "{'qom-type':'secret','id':'s#','file':{j}}"],
        File,
    ),
    form(
        X509,
        &[
            "-object",
            "tls-creds-x509,id=t#,endpoint=server,sanity-check=off,dir={o}",
        ],
        Keys(&["ca-cert.pem", "server-cert.pem", "server-key.pem"]),
    ),
    form(
        X509,
        &["-object", "tls-creds-x509,id=t#,sanity-check=off,dir={o}"],
        Keys(&[
            "ca-cert.pem",
            "client-cert.pem",
            "client-key.pem",
            "server-key.pem",
        ]),
    ),
    form(
        ("object", "tls-creds-psk", "dir"),
        &["-object", "tls-creds-psk,id=t#,endpoint=server,dir={o}"],
        Keys(&["keys.psk"]),
    ),
    form(
        ("object", "tls-creds-psk", "dir"),
        &[
            "-object",
            "tls-creds-psk,id=t#,username=qemu,endpoint=client,dir={o}",
        ],
        Keys(&["keys.psk"]),
    ),
    form(
        ("object", "tls-creds-anon", "dir"),
        &["-object", "tls-creds-anon,id=t#,endpoint=server,dir={o}"],
        Keys(&["dh-params.pem"]),
    ),
    form(
        ("object", "tls-creds-anon", "dir"),
        &["-object", "tls-creds-anon,id=t#,endpoint=client,dir={o}"],
        Keys(&["dh-params.pem"]),
    ),
    form(
        ("object", "filter-dump", "file"),
        &[
            "-netdev",
            "hubport,id=u#,hubid=#",
            "-object",
            "filter-dump,id=f#,netdev=u#,file={o}",
        ],
        Either,
    ),
    form(
        ("fw_cfg", "", "file"),
        &["-fw_cfg", "name=opt/a#,file={o}"],
        File,
    ),
    form(
        ("fw_cfg", "", "file"),
        &["-fw_cfg", "opt/a#,file=/not/this,file={o},string="],
        File,
    ),
    form(
        ("acpitable", "", "file"),
        &["-acpitable", "file={l}:{l}"],
        Table,
    ),
    form(
        ("acpitable", "", "data"),
        &["-acpitable", "sig=ABCD,data={l}"],
        File,
    ),
    form(("smbios", "", "file"), &["-smbios", "file={o}"], Smbios),
    form(
        ("smbios", "", "path"),
        &["-smbios", "type=11,path={o}"],
        Text,
    ),
    form(
        ("smbios", "", "path"),
        &["-smbios", "type=11,path={o},value=x,path={o}"],
        Text,
    ),
    alone(("boot", "", "splash"), &["-boot", "splash={o}"], File),
    form(("option-rom", "", "romfile"), &["-option-rom", "{i}"], File),
    form(
        ("option-rom", "", "romfile"),
        &["-option-rom", "romfile={o},bootindex=#"],
        File,
    ),
    form(
        ("device", "", "romfile"),
        &["-device", "virtio-rng-pci,romfile={o}"],
        File,
    ),
    form(
        ("device", "", "romfile"),
        &["-device", "{'driver':'virtio-rng-pci','romfile':{j}}"],
        File,
    ),
    form(
        ("device", "", "romfile"),
        &[
            "-device",
            "virtio-rng-pci,id=d#",
            "-set",
            "device.d#.romfile={w}",
        ],
        File,
    ),
    alone(("machine", "", "kernel"), &["-kernel", "{w}"], Kernel),
    once(
        "kernel",
        ("machine", "", "initrd"),
        &["-kernel", "{w}", "-initrd", "{s}"],
        Kernel,
    ),
    once(
        "kernel",
        ("machine", "", "dtb"),
        &["-kernel", "{w}", "-dtb", "{w}"],
        Kernel,
    ),
    once(
        "kernel",
        ("machine", "", "kernel"),
        &["-machine", "kernel={o}"],
        Kernel,
    ),
    once(
        "kernel",
        ("machine", "", "initrd"),
        &["-machine", "kernel={o},initrd={s}"],
        Kernel,
    ),
    once(
        "kernel",
        ("machine", "", "dtb"),
        &["-M", "pc,kernel={o},dtb={o}"],
        Kernel,
    ),
    once(
        "bios",
        ("machine", "", "firmware"),
        &["-machine", "firmware={o}"],
        Flash,
    ),
    once(
        "bios",
        ("machine", "", "firmware"),
        &["-bios", "{w}"],
        Flash,
    ),
    form(
        ("device", "loader", "file"),
        &["-device", "loader,file={o},addr=0x1#000,force-raw=on"],
        File,
    ),
    form(
        ("device", "usb-*", "pcap"),
        &[
            "-device",
            "qemu-xhci,id=x#",
            "-device",
            "usb-kbd,bus=x#.0,pcap={o}",
        ],
        Either,
    ),
    form(
        ("device", "ipmi-bmc-sim", "frudatafile"),
        &["-device", "ipmi-bmc-sim,id=b#,frudatafile={o}"],
        File,
    ),
    alone(
        ("device", "ipmi-bmc-sim", "sdrfile"),
        &["-device", "ipmi-bmc-sim,id=b#,sdrfile={o}"],
        File,
    ),
    form(
        SOCKET,
        &["-chardev", "socket,id=c#,path={o},server=on,wait=off"],
        Nothing,
    ),
    form(
        SOCKET,
        &["-chardev", "socket,id=c#,path={o},server,nowait"],
        Socket,
    ),
    form(SOCKET, &["-chardev", "socket,id=c#,path={o}"], Socket),
    form(
        SOCKET,
        &[
            "-chardev",
            "socket,id=c#,path={l},abstract=on,server=on,wait=off",
        ],
        Nothing,
    ),
    alone(SOCKET, &["-chardev", "socket,id=c#,path={o}"], Nothing),
    form(FILE, &["-chardev", "file,id=c#,path={o}"], Either),
    form(FILE, &["-chardev", "file,id=c#,path={o},append=on"], Either),
    form(
        FILE,
        &[
            "-chardev",
            "file,id=c#,path=/not/this",
            "-set",
            "chardev.c#.path={w}",
        ],
        Either,
    ),
    form(PIPE, &["-chardev", "pipe,id=c#,path={o}"], Fifos),
    form(
        ("chardev", "serial", "path"),
        &["-chardev", "serial,id=c#,path={o}"],
        File,
    ),
    form(
        ("chardev", "tty", "path"),
        &["-chardev", "tty,id=c#,path={o}"],
        File,
    ),
    alone(
        ("chardev", "parallel", "path"),
        &["-chardev", "parallel,id=c#,path={o}"],
        File,
    ),
    alone(
        ("chardev", "parport", "path"),
        &["-chardev", "parport,id=c#,path={o}"],
        File,
    ),
    form(
        ("chardev", "", "logfile"),
        &["-chardev", "null,id=c#,logfile={o}"],
        Either,
    ),
    form(
        ("chardev", "", "logfile"),
        &["-chardev", "pty,id=c#,logappend=on,logfile={o}"],
        Either,
    ),
    form(
        ("chardev", "", "logfile"),
        &["-monitor", "unix:{i},server=on,wait=off,logfile={o}"],
        Nothing,
    ),
    form(
        ("chardev", "", "logfile"),
        &["-monitor", "tcp:127.0.0.1:0,server=on,wait=off,logfile={o}"],
        Nothing,
    ),
    once("serial", FILE, &["-serial", "file:{w}"], Either),
    once(
        "serial",
        SOCKET,
        &["-serial", "mon:unix:{i},server,nowait"],
        Nothing,
    ),
    once("serial", PIPE, &["-serial", "pipe:{w}"], Fifos),
    once("parallel", FILE, &["-parallel", "file:{w}"], Either),
    form(FILE, &["-debugcon", "file:{w}"], Either),
    form(SOCKET, &["-qmp", "unix:{i},server=on,wait=off"], Nothing),
    form(
        SOCKET,
        &["-qmp-pretty", "unix:{i},server=on,nowait"],
        Nothing,
    ),
    form(PIPE, &["-monitor", "pipe:{w}"], Fifos),
    form(SOCKET, &["-monitor", "unix:{i}"], Socket),
    alone(SOCKET, &["-qtest", "unix:{i},server=on,wait=off"], Nothing),
    alone(
        ("object", "pr-manager-helper", "path"),
        &["-object", "pr-manager-helper,id=p#,path={o}"],
        Nothing,
    ),
    alone(
        ("device", "cxl-*", "cdat"),
        &[
            "-M",
            "q35,cxl=on",
            "-object",
            "memory-backend-ram,id=m,size=256M",
            "-object",
            "memory-backend-ram,id=l,size=1M",
            "-device",
            "pxb-cxl,bus_nr=12,bus=pcie.0,id=c",
            "-device",
            "cxl-rp,id=r,bus=c,chassis=0,slot=2",
            "-device",
            "cxl-type3,bus=r,memdev=m,lsa=l,cdat={o}",
        ],
        Text,
    ),
    alone(
        ("device", "uefi-vars*", "jsonfile"),
        &["-M", "q35", "-device", "uefi-vars-x64,jsonfile={o}"],
        Nothing,
    ),
    once(
        "gdb",
        SOCKET,
        &["-gdb", "unix:{i},server=on,wait=off"],
        Nothing,
    ),
    form(IMAGE, &["-drive", "if=virtio,format=raw,file={o}"], File),
    form(
        IMAGE,
        &["-drive", "if=virtio,format=raw,file=file:{o}"],
        File,
    ),
    form(
        IMAGE,
        &["-drive", "if=virtio,format=raw,readonly=on,file={o}"],
        File,
    ),
    form(
        IMAGE,
        &["-drive", "if=virtio,format=raw,file={o},file.locking=off"],
        File,
    ),
    form(
        IMAGE,
        &[
            "-drive",
            "if=none,id=k#,format=raw,file=/not/this",
            "-set",
            "drive.k#.file={w}",
            "-device",
            "virtio-blk-pci,drive=k#",
        ],
        File,
    ),
    form(
        IMAGE,
        &[
            "-drive",
            "if=virtio,format=raw,file.driver=file,file.filename={o}",
        ],
        File,
    ),
    form(
        IMAGE,
        &["-drive", "if=virtio,format=raw,file.filename={o}"],
        File,
    ),
    form(
        IMAGE,
        &["-drive", "if=virtio,format=raw,snapshot=on,file={o}"],
        File,
    ),
    form(
        IMAGE,
        &[
            "-drive",
            "if=virtio,file=json:{'driver':'raw',,'file':{'driver':'file',,'filename':{oj}}}",
        ],
        File,
    ),
    form(
        IMAGE,
        &[
            "-drive",
            "if=virtio,file=json:{'driver':'raw',,'read-only':true,,'file.filename':{oj}}",
        ],
        File,
    ),
    form(
        IMAGE,
        &[
            "-blockdev",
            "driver=raw,node-name=n#,file.driver=file,file.filename={o}",
            "-device",
            "virtio-blk-pci,drive=n#",
        ],
        File,
    ),
    form(
        IMAGE,
        &[
            "-blockdev",
            "driver=raw,node-name=n#,read-only=on,file.driver=file,file.filename={o}",
            "-device",
            "virtio-blk-pci,drive=n#",
        ],
        File,
    ),
    form(
        IMAGE,
        &["-blockdev", "file,node-name=n#,filename={o},locking=off"],
        File,
    ),
    form(
        IMAGE,
        &[
            "-blockdev",
            "{'driver':'raw','node-name':'n#','file':{'driver':'file','filename':{j}}}",
            "-device",
            "virtio-blk-pci,drive=n#",
        ],
        File,
    ),
    form(
        IMAGE,
        &[
            "-blockdev",
            "{'driver':'raw','node-name':'n#','read-only':true,'file':{'driver':'file','locking':'off','filename':{j}}}",
            "-device",
            "virtio-blk-pci,drive=n#",
        ],
        File,
    ),
    form(
        IMAGE,
        &[
            "-blockdev",
            "driver=qcow2,node-name=n#,file.driver=file,file.filename={o},backing.driver=raw,backing.file.driver=file,backing.file.filename={o}",
            "-device",
            "virtio-blk-pci,drive=n#",
        ],
        Prepared::Qcow2,
    ),
    form(
        IMAGE,
        &[
            "-drive",
            "if=virtio,format=qcow2,file={o},backing.driver=raw,backing.file.filename={o}",
        ],
        Prepared::Qcow2,
    ),
    form(
        IMAGE,
        &[
            "-blockdev",
            "{'driver':'qcow2','node-name':'n#','file':{'driver':'file','filename':{j}},'backing':null}",
            "-device",
            "virtio-blk-pci,drive=n#",
        ],
        Prepared::Qcow2,
    ),
    // A drive of its own will.
    alone(
        IMAGE,
        &[
            "-snapshot",
            "-drive",
            "if=virtio,snapshot=off,format=raw,file={o}",
        ],
        File,
    ),
    alone(
        FILE,
        &[
            "-netdev",
            "user,id=u#,guestfwd=tcp:10.0.2.100:10#-file:{o},guestfwd=tcp:10.0.2.101:10#-file:{o}",
        ],
        Either,
    ),
    alone(
        SOCKET,
        &[
            "-net",
            "user,guestfwd=tcp:10.0.2.100:10#-unix:{s},,server=on,,wait=off",
        ],
        Nothing,
    ),
    once(
        "wav",
        ("audiodev", "wav", "path"),
        &["-audio", "wav,model=ac97,path={o}"],
        Either,
    ),
    once(
        "vnc",
        ("k", "", ""),
        &["-k", "{w}", "-vnc", "none"],
        Prepared::Empty,
    ),
    form(
        ("object", "tls-creds-psk", "dir"),
        &["-object", "tls-creds-psk,id=t#,endpoint=server,dir={o}"],
        Keys(&["keys.psk", "dh-params.pem"]),
    ),
    once("hda", IMAGE, &["-hda", "{w}"], File),
    once("hdb", IMAGE, &["-hdb", "file:{w}"], File),
    once("cdrom", IMAGE, &["-cdrom", "{w}"], File),
    once("bios", IMAGE, &["-pflash", "{w}"], Flash),
    once(
        "fda",
        IMAGE,
        &["-drive", "if=ide,index=3,media=cdrom,file={o}"],
        File,
    ),
    alone(
        ("blockdev", "nbd", "server.path"),
        &[
            "-blockdev",
            "nbd,node-name=n#,server.type=unix,server.path={o}",
        ],
        Nothing,
    ),
    alone(
        ("blockdev", "nbd", "server.path"),
        &[
            "-blockdev",
            "{'driver':'nbd','node-name':'n#','server':{'type':'unix','path':{j}}}",
        ],
        Nothing,
    ),
    alone(
        ("blockdev", "nbd", "path"),
        &["-drive", "if=none,driver=nbd,path={o}"],
        Nothing,
    ),
    alone(
        ("blockdev", "nbd", "path"),
        &["-drive", "if=none,file=nbd:unix:{l}:exportname=x"],
        Nothing,
    ),
    form(
        ("blockdev", "blkdebug", "config"),
        &[
            "-blockdev",
            "blkdebug,node-name=n#,config={o},image.driver=null-co",
        ],
        Prepared::Empty,
    ),
    form(
        ("netdev", "stream", "addr.path"),
        &[
            "-netdev",
            "stream,id=n#,server=on,addr.type=unix,addr.path={o}",
        ],
        Nothing,
    ),
    form(
        ("netdev", "stream", "addr.path"),
        &[
            "-netdev",
            "{'type':'stream','id':'n#','server':true,'addr':{'type':'unix','path':{j}}}",
        ],
        Nothing,
    ),
    form(
        ("netdev", "stream", "addr.path"),
        &["-netdev", "stream,id=n#,addr.type=unix,addr.path={o}"],
        Socket,
    ),
    form(
        ("netdev", "dgram", "local.path"),
        &[
            "-netdev",
            "dgram,id=n#,local.type=unix,local.path={o},remote.type=unix,remote.path=/not/this",
        ],
        Nothing,
    ),
    alone(
        ("tpmdev", "passthrough", "path"),
        &["-tpmdev", "passthrough,id=t#,path={o}"],
        File,
    ),
    once(
        "wav",
        ("audiodev", "wav", "path"),
        &[
            "-audiodev",
            "wav,id=w#,path={o}",
            "-device",
            "AC97,audiodev=w#",
        ],
        Either,
    ),
    once(
        "wav",
        ("audiodev", "wav", "path"),
        &[
            "-audiodev",
            "{'driver':'wav','id':'w#','path':{j}}",
            "-device",
            "AC97,audiodev=w#",
        ],
        Either,
    ),
    once("vnc", ("vnc", "", "vnc"), &["-vnc", "unix:{i}"], Nothing),
    once(
        "vnc",
        ("vnc", "", "vnc"),
        &["-vnc", "vnc=unix:{i},vnc=unix:{i},share=force-shared"],
        Nothing,
    ),
    once(
        "vnc",
        ("display", "", "vnc"),
        &["-display", "vnc=unix:{i}"],
        Nothing,
    ),
    once(
        "spice",
        ("spice", "", "addr"),
        &["-spice", "unix=on,addr={o},disable-ticketing=on"],
        Nothing,
    ),
    once(
        "spice",
        ("spice", "", "x509-dir"),
        &["-spice", "tls-port=59#,disable-ticketing=on,x509-dir={o}"],
        Keys(&["ca-cert.pem", "server-cert.pem", "server-key.pem"]),
    ),
    once(
        "D",
        ("D", "", ""),
        &["-d", "guest_errors", "-D", "{w}"],
        Either,
    ),
    // Without -d, too: the trace points log.
    once("D", ("D", "", ""), &["-D", "{w}"], Either),
    once("pidfile", ("pidfile", "", ""), &["-pidfile", "{w}"], Either),
    alone(("dump-vmstate", "", ""), &["-dump-vmstate", "{w}"], Either),
    once(
        "D",
        ("D", "", ""),
        &["-D", "{w}", "-d", "guest_errors", "-D", "{w}"],
        Either,
    ),
    once(
        "pidfile",
        ("pidfile", "", ""),
        &["-pidfile", "{w}", "-pidfile", "{w}"],
        Either,
    ),
    once(
        "kernel",
        ("machine", "", "kernel"),
        &["-kernel", "{w}", "-machine", "kernel={o}"],
        Kernel,
    ),
    once(
        "D",
        ("trace", "", "file"),
        &[
            "-trace",
            "file={o}",
            "-trace",
            "file={o}",
            "-trace",
            "events={o}",
            "-trace",
            "file={o}",
        ],
        File,
    ),
    form(("trace", "", "events"), &["-trace", "events={o}"], File),
    once(
        "D",
        ("trace", "", "file"),
        &["-trace", "enable=nothing,file={o}"],
        Either,
    ),
];

/// Rows that are not tried here, and why.
pub const EXEMPT: &[((&str, &str, &str), &str)] = &[
    (("machine", "", "shim"), "newer than 7.2"),
    (("chardev", "file", "input-path"), "newer than 7.2"),
    (
        ("blockdev", "host_device", "filename"),
        "wants a block device; the same code as file",
    ),
    (
        ("blockdev", "host_cdrom", "filename"),
        "wants a drive; the same code as file",
    ),
    (
        ("netdev", "dgram", "remote.path"),
        "stands in the form of local.path, and is sent to only",
    ),
    (
        ("audiodev", "pa", "server"),
        "a module that is not in the package",
    ),
    (("spice", "", "x509-key-file"), "tried as x509-dir"),
    (("spice", "", "x509-cert-file"), "tried as x509-dir"),
    (("spice", "", "x509-cacert-file"), "tried as x509-dir"),
    (("spice", "", "x509-dh-key-file"), "tried as x509-dir"),
];

/// What is made once.
pub struct Store {
    keys: PathBuf,
}

impl Store {
    pub fn new(dir: &Path) -> Self {
        for words in [
            "req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem",
            "genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out dh.pem",
        ] {
            let mut make = Command::new("openssl");
            let made = make.args(words.split(' ')).current_dir(dir).output();
            let made = made.expect("these tests need openssl");
            assert!(
                made.status.success(),
                "{}",
                String::from_utf8_lossy(&made.stderr)
            );
        }
        Store {
            keys: dir.to_owned(),
        }
    }

    pub fn put(&self, name: &str, to: &Path) {
        match name {
            "keys.psk" => fs::write(to, "qemu:00112233445566778899aabbccddeeff\n").unwrap(),
            "dh-params.pem" => drop(fs::copy(self.keys.join("dh.pem"), to).unwrap()),
            _ => {
                let from = if name.ends_with("key.pem") {
                    "key.pem"
                } else {
                    "cert.pem"
                };
                fs::copy(self.keys.join(from), to).unwrap();
            }
        }
    }
}

/// Words, and what must stay for them.
pub struct Case {
    pub words: Vec<String>,
    /// Names of files in a directory of keys that are not there.
    pub some_of: Vec<String>,
    sockets: Vec<UnixListener>,
}

/// The words of these forms, with what lies at their paths.
pub fn case(forms: &[&Form], rng: &mut Rng, dir: &Path, store: &Store) -> Case {
    let mut case = Case {
        words: Vec::new(),
        some_of: Vec::new(),
        sockets: Vec::new(),
    };
    for (number, form) in forms.iter().enumerate() {
        for template in form.words {
            let template = template.replace('#', &(number + 10).to_string());
            let mut word = String::new();
            let mut rest = template.as_str();
            while let Some((at, kind)) = next(rest) {
                let path = prepare(form.prepared, kind, number, rng, dir, store, &mut case);
                word.push_str(&rest[..at]);
                rest = &rest[at + kind.len() + 2..];
                word.push_str(&match kind {
                    "w" | "s" => path,
                    "o" | "i" | "l" => path.replace(',', ",,"),
                    "j" => json(&path, rng),
                    _ => json(&path, rng).replace(',', ",,"),
                });
            }
            case.words.push(word + rest);
        }
    }
    case
}

fn next(word: &str) -> Option<(usize, &'static str)> {
    let kinds = ["w", "o", "i", "l", "s", "j", "oj"].into_iter();
    let found = kinds.filter_map(|kind| Some((word.find(&format!("{{{kind}}}"))?, kind)));
    found.min()
}

/// A string as JSON of QEMU's, in either kind of quotes.
fn json(text: &str, rng: &mut Rng) -> String {
    let quote = if rng.bool() { '\'' } else { '"' };
    let mut out = String::from(quote);
    for c in text.chars() {
        if c == quote || c == '\\' {
            out.push('\\');
        }
        if !c.is_ascii() && rng.bool() {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out.push(quote);
    out
}

/// An empty qcow2 image of a mebibyte.
pub fn qcow2() -> Vec<u8> {
    let mut bytes = vec![0; 4 << 16];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, b"QFI\xfb\0\0\0\x03");
    put(20, &16_u32.to_be_bytes());
    put(24, &(1_u64 << 20).to_be_bytes());
    put(36, &1_u32.to_be_bytes());
    put(40, &0x3_0000_u64.to_be_bytes());
    put(48, &0x1_0000_u64.to_be_bytes());
    put(56, &1_u32.to_be_bytes());
    put(96, &4_u32.to_be_bytes());
    put(100, &104_u32.to_be_bytes());
    put(0x1_0000, &0x2_0000_u64.to_be_bytes());
    put(0x2_0000, &[0, 1, 0, 1, 0, 1, 0, 1]);
    bytes
}

fn prepare(
    prepared: Prepared,
    kind: &str,
    number: usize,
    rng: &mut Rng,
    dir: &Path,
    store: &Store,
    case: &mut Case,
) -> String {
    const PARTS: [&str; 19] = [
        "a", "b", "-", "_", ".", ",", ",,", ":", "'", "\"", "\\", " ", "=", "é", "{", "*", "on",
        "#", ".in",
    ];
    let mut name = format!("{number}");
    // Two commas are two where the word is taken as it stands.
    if kind == "w" {
        name.push_str(",,");
    }
    for _ in 0..rng.usize(0..6) {
        let part = PARTS[rng.usize(..PARTS.len())];
        let kept = match kind {
            "l" => !part.contains(':'),
            "s" => !part.contains([',', ' ']),
            "i" => !part.contains('='),
            _ => true,
        };
        if kept {
            name.push_str(part);
        }
    }
    // Two of one form are two.
    name.push_str(&format!("{}", rng.u16(..)));
    let path = dir.join(&name);
    let shown = path.to_str().unwrap().to_owned();
    let file = |bytes: &[u8]| fs::write(&path, bytes).unwrap();
    match prepared {
        Prepared::Nothing => {}
        Prepared::Either | Prepared::Memory if rng.bool() => {}
        Prepared::Memory => file(&vec![0; 1 << 20]),
        Prepared::Empty => file(&[]),
        Prepared::Text => file(b"text"),
        Prepared::File | Prepared::Either => file(&[0; 4096]),
        Prepared::Directory => fs::create_dir(&path).unwrap(),
        Prepared::Socket => case.sockets.push(UnixListener::bind(&path).unwrap()),
        Prepared::Fifos => {
            let names = if rng.bool() {
                vec![".in", ".out"]
            } else {
                vec![""]
            };
            for end in names {
                let mut make = Command::new("mkfifo");
                let made = make.arg("--").arg(format!("{shown}{end}")).status();
                assert!(made.unwrap().success());
            }
        }
        Prepared::Kernel => {
            let mut bytes = vec![0; 16384];
            bytes[0x1f1] = 4;
            bytes[0x202..0x206].copy_from_slice(b"HdrS");
            bytes[0x206..0x208].copy_from_slice(&[0x0c, 0x02]);
            bytes[0x211] = 1;
            bytes[0x22c..0x230].copy_from_slice(&[0xff, 0xff, 0xff, 0x37]);
            file(&bytes);
        }
        Prepared::Qcow2 => file(&qcow2()),
        Prepared::Flash => file(&[0; 65536]),
        Prepared::Table => {
            let mut bytes = b"SSDT\x24\0\0\0".to_vec();
            bytes.resize(36, b'A');
            file(&bytes);
        }
        Prepared::Smbios => file(&[128, 4, 0, 1, 0, 0]),
        Prepared::Keys(names) => {
            fs::create_dir(&path).unwrap();
            for one in names {
                store.put(one, &path.join(one));
            }
            let all = ["ca-crl.pem", "dh-params.pem"];
            let missing = all.iter().filter(|one| !names.contains(one));
            case.some_of
                .extend(missing.map(|one| format!("/{name}/{one}")));
        }
    }
    shown
}

//! Any bytes as a profile, and as a template: putting the block in twice is the same as once,
//! taking it out again gives back the profile, and not one byte outside the markers changes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use virt_9p::apparmor::block::{self, BEGIN, END};
use virt_9p::apparmor::rules::Grants;
use virt_9p::domain::Uuid;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (directory, profile) = input;
    let uuid = Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db1809").expect("a UUID");
    let mut grants = Grants::default();
    grants.add(&[b"/srv/", directory].concat(), directory.len() % 2 == 1);
    let Ok(rules) = grants.render() else { return };

    let bare = block::edit(profile, &uuid, "");
    if let Ok(bare) = &bare {
        assert!(block::edit(bare, &uuid, "").as_ref() == Ok(bare));
        if !block::has_block(profile) {
            assert_eq!(bare, profile);
        }
    }
    if let Ok(with) = block::edit(profile, &uuid, &rules) {
        let bare = bare.expect("what takes a block can lose one");
        assert!(block::edit(&with, &uuid, &rules).as_ref() == Ok(&with));
        let again = block::edit(&with, &uuid, "").expect("our own block");
        // An include on a last line without its end gets one.
        assert!(again == bare || (again == [&bare[..], b"\n"].concat() && !bare.ends_with(b"\n")));
        // The block is in one piece; before and after it stands the profile.
        let block = format!("{BEGIN}\n{rules}{END}\n").into_bytes();
        let at = with
            .windows(block.len())
            .position(|window| window == block)
            .expect("the block");
        assert!([&with[..at], &with[at + block.len()..]].concat() == again);
    }
    if let Ok(made) = block::create(profile, &uuid, &rules) {
        assert!(made.ends_with(b"\n"));
        // A template with markers of its own is the admin's mistake, and found out at the next call.
        if !block::has_block(profile) {
            let bare = block::edit(&made, &uuid, "").expect("our own block");
            assert!(bare.len() == made.len() - BEGIN.len() - END.len() - rules.len() - 2);
            let with = block::edit(&made, &uuid, &rules).expect("it has the include");
            assert!(block::edit(&with, &uuid, "").as_ref() == Ok(&bare));
        }
    }
});

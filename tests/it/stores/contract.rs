//! What holds for every store.

use super::{Answer, AnyStore, LONGEST_OBJECT, Part, assert_says, bytes, listed, name, tag};

/// The suite on one part, a test a promise.
macro_rules! keeps_the_contract {
    ($part:ty) => {
        #[test]
        fn absent_object_is_an_answer() {
            crate::stores::contract::absent(&or_skip!(<$part as crate::stores::Part>::start()));
        }

        #[test]
        fn what_is_put_is_got() {
            crate::stores::contract::put_and_got(
                &or_skip!(<$part as crate::stores::Part>::start()),
            );
        }

        #[test]
        fn known_object_is_not_sent_again() {
            crate::stores::contract::known(&or_skip!(<$part as crate::stores::Part>::start()));
        }

        #[test]
        fn listing_has_what_is_in_its_folder() {
            crate::stores::contract::listing(&or_skip!(<$part as crate::stores::Part>::start()));
        }

        #[test]
        fn too_long_object_is_refused() {
            crate::stores::contract::too_long(&or_skip!(<$part as crate::stores::Part>::start()));
        }

        #[test]
        fn many_hosts_write_at_once() {
            crate::stores::contract::at_once(&or_skip!(<$part as crate::stores::Part>::start()));
        }

        #[test]
        fn readers_see_whole_objects() {
            crate::stores::contract::whole(&or_skip!(<$part as crate::stores::Part>::start()));
        }
    };
}
pub(super) use keeps_the_contract;

/// How many hosts write at once.
const WRITERS: usize = 20;

pub(super) fn absent(part: &impl Part) {
    let store = part.open();
    for text in ["latest.json", "bundles/1", "status/web1", "failures/a/1-web1"] {
        assert_eq!(store.get(&name(text), None).unwrap(), Answer::Absent, "{text}");
        assert_eq!(store.get(&name(text), Some("\"known\"")).unwrap(), Answer::Absent, "{text}");
    }
    for folder in ["bundles", "status", "failures/a"] {
        assert_eq!(listed(&*store, folder), [""; 0]);
    }
    store.put(&name("bundles/1"), b"one").unwrap();
    store.put(&name("status/web1"), b"fine").unwrap();
    for text in ["bundles/2", "bundles/1/deeper", "status/web2"] {
        assert_eq!(store.get(&name(text), None).unwrap(), Answer::Absent, "{text}");
    }
}

pub(super) fn put_and_got(part: &impl Part) {
    let (writer, reader) = (part.open(), part.open());
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for (text, content) in [
        ("latest.json", b"{}\n".as_slice()),
        ("payloads/a-b_c.d", &every_byte),
        ("empty", b""),
        ("a/b/c/d", b"deep"),
        ("status/web1.json", b"fine"),
        ("status/a..b.lock", b"a name that git has to be spared"),
        ("failures/0123/1-web1", b"bad"),
    ] {
        writer.put(&name(text), content).unwrap();
        assert_eq!(bytes(&*writer, text), content, "{text}");
        assert_eq!(bytes(&*reader, text), content, "{text}");
        let next = [content, b"more"].concat();
        writer.put(&name(text), &next).unwrap();
        assert_eq!(bytes(&*reader, text), next, "{text}");
        writer.put(&name(text), &next).unwrap();
        assert_eq!(bytes(&*reader, text), next, "{text}");
    }
}

pub(super) fn known(part: &impl Part) {
    let (writer, reader) = (part.open(), part.open());
    for text in ["latest.json", "status/web1"] {
        writer.put(&name(text), b"one").unwrap();
        let one = tag(&*reader, text);
        let get = |tag: &str| reader.get(&name(text), Some(tag)).unwrap();
        assert_eq!(get(&one), Answer::Unchanged);
        // Not of the same length: nginx tells no two apart that were put in one second, if they are.
        writer.put(&name(text), b"three").unwrap();
        let Answer::Object { bytes, tag } = get(&one) else { panic!("{text} has changed") };
        assert_eq!(bytes, b"three");
        assert_eq!(get(&tag.unwrap()), Answer::Unchanged);
        // What is no tag of this store is no reason to send nothing, and no header.
        for other in ["", "x", "\"x\"\r\nX-Other: 1", "\"", "*"] {
            assert!(matches!(get(other), Answer::Object { .. }), "{other:?}");
        }
    }
}

pub(super) fn listing(part: &impl Part) {
    let store = part.open();
    for folder in ["bundles", "status"] {
        for word in ["web2", "web10", "web1", "deeper/x"] {
            store.put(&name(&format!("{folder}/{word}")), b"x").unwrap();
        }
    }
    store.put(&name("bundles2"), b"x").unwrap();
    store.put(&name("status.d/x"), b"x").unwrap();
    for folder in ["bundles", "status"] {
        let expected = ["web1", "web10", "web2"].map(|word| format!("{folder}/{word}"));
        assert_eq!(listed(&*store, folder), expected);
        assert_eq!(
            listed(&*part.open(), &format!("{folder}/deeper")),
            [format!("{folder}/deeper/x")]
        );
        for text in listed(&*store, folder) {
            assert_eq!(bytes(&*store, &text), b"x");
        }
    }
    // What was listed is no older than that.
    let other = part.open();
    assert_eq!(listed(&*store, "status").len(), 3);
    assert_eq!(bytes(&*store, "status/web1"), b"x");
    other.put(&name("status/web1"), b"y").unwrap();
    assert_eq!(bytes(&*store, "status/web1"), b"y");
    assert_eq!(listed(&*store, "status").len(), 3);
    store.put(&name("status/web1"), b"z").unwrap();
    assert_eq!(bytes(&*store, "status/web1"), b"z");
}

pub(super) fn too_long(part: &impl Part) {
    let store = part.open();
    let longest = usize::try_from(LONGEST_OBJECT).unwrap();
    let words = ["payloads/long", "it is longer than 128 MiB"];
    assert_says(store.put(&name("payloads/long"), &vec![0; longest + 1]), &words);
    assert_eq!(store.get(&name("payloads/long"), None).unwrap(), Answer::Absent);
    store.put(&name("payloads/longest"), &vec![b'x'; longest]).unwrap();
    assert_eq!(bytes(&*store, "payloads/longest").len(), longest);
    part.plant_long(&name("payloads/long"), LONGEST_OBJECT + 1);
    assert_says(store.get(&name("payloads/long"), None), &words);
}

pub(super) fn at_once(part: &impl Part) {
    // Hosts make no store.
    part.open().put(&name("latest.json"), b"x").unwrap();
    let stores: Vec<AnyStore> = (0..WRITERS).map(|_| part.open()).collect();
    std::thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for round in ["first", "second"] {
                    store.put(&name(&format!("status/web{number}")), round.as_bytes()).unwrap();
                }
            });
        }
    });
    let store = part.open();
    assert_eq!(listed(&*store, "status").len(), WRITERS);
    for number in 0..WRITERS {
        assert_eq!(bytes(&*store, &format!("status/web{number}")), b"second");
    }
}

/// An object that is replaced again and again is one of those that were put, whenever it is looked at.
pub(super) fn whole(part: &impl Part) {
    let content = |round: u8| vec![b'a' + round; 200_000 + usize::from(round)];
    let (writer, reader) = (part.open(), part.open());
    writer.put(&name("latest.json"), &content(0)).unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for round in 1..8 {
                writer.put(&name("latest.json"), &content(round)).unwrap();
            }
        });
        let mut last = 0;
        while !writing.is_finished() {
            let bytes = bytes(&*reader, "latest.json");
            let round = bytes[0] - b'a';
            assert!(round >= last && bytes == content(round), "round {round} after {last}");
            last = round;
        }
    });
    assert_eq!(bytes(&*reader, "latest.json"), content(7));
}

use super::world::World;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_made_moved_and_removed() {
    let world = World::plain();
    let mut client = world.alice().await;
    for (line, code, word) in [
        ("PWD", 257, "\"/\""),
        ("MKD a \"b\"", 257, "\"/a \"\"b\"\"\""),
        ("MKD a \"b\"", 550, "exists"),
        ("CWD a \"b\"", 250, "/a "),
        ("PWD", 257, "\"/a \"\"b\"\"\""),
        ("CWD missing", 550, "No such"),
        ("CDUP", 250, "\"/\""),
        ("RMD missing", 550, "No such"),
        ("RNFR missing", 550, "No such"),
        ("RNFR a \"b\"", 350, "RNTO"),
        ("RNTO d", 250, "renamed"),
        ("MKD d/e", 257, "/d/e"),
        ("RMD d", 550, "not empty"),
        ("RMD d/e", 250, "gone"),
        ("DELE d", 550, "is a folder"),
        ("RMD d", 250, "gone"),
        ("DELE missing", 550, "No such"),
        ("CWD ../../../..", 250, "\"/\""),
    ] {
        let (found, text) = client.ask(line).await;
        assert!(found == code && text.contains(word), "{line}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_of_files_are_told_and_set() {
    let world = World::plain();
    world.put("f g", b"content\n");
    let mut client = world.alice().await;
    for (line, code, word) in [
        ("SIZE f g", 213, "213 8"),
        ("SIZE missing", 550, "No such"),
        ("MFMT 20200102030405 f g", 213, "Modify=20200102030405; /f g"),
        ("MDTM f g", 213, "213 20200102030405"),
        ("SITE CHMOD 600 f g", 200, "mode"),
        (
            "MLST f g",
            250,
            " type=file;size=8;modify=20200102030405;UNIX.mode=0600; /f g",
        ),
        ("OPTS MLST size;", 200, "MLST OPTS size;"),
        ("MLST f g", 250, " size=8; /f g"),
        (
            "SITE UTIME f g 20210102030405 20210102030406 20210102030407 UTC",
            200,
            "times",
        ),
        ("MDTM f g", 213, "20210102030406"),
        ("SITE UTIME 202201020304 f g", 200, "times"),
        ("MDTM f g", 213, "20220102030400"),
        (
            "HASH f g",
            213,
            "SHA-256 0-7 434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53 /f g",
        ),
        ("OPTS HASH MD5", 200, "MD5"),
        ("HASH f g", 213, "MD5 0-7 f75b8179e4bbe7e2b4a074dcef62de95 /f g"),
        (
            "XSHA256 f g",
            250,
            "434728A410A78F56FC1B5899C3593436E61AB0C731E9072D95E96DB290205E53",
        ),
        ("XMD5 \"f g\" 0 8", 250, "F75B8179E4BBE7E2B4A074DCEF62DE95"),
        ("HASH missing", 550, "No such"),
        ("STAT f g", 213, "f g"),
        ("STAT missing", 550, "No such"),
        ("FEAT", 211, "\n REST STREAM\n"),
        ("FEAT", 211, "\n HASH SHA-256;SHA-512;SHA-1;MD5*\n"),
        ("FEAT", 211, "\n MLST type;size*;modify;UNIX.mode;UNIX.owner;\n"),
    ] {
        let (found, text) = client.ask(line).await;
        assert!(found == code && text.contains(word), "{line}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_listed_in_every_form() {
    let world = World::plain();
    world.put("a.txt", b"abc");
    world.put("b.csv", b"");
    std::fs::create_dir(world.on_disk("d")).unwrap();
    std::os::unix::fs::symlink("a.txt", world.on_disk("l")).unwrap();
    let mut client = world.alice().await;
    let mut lines = async |line: &str| {
        let (code, listed) = client.download(line).await;
        let mut lines: Vec<String> = text(listed).lines().map(str::to_owned).collect();
        lines.sort();
        (code, lines)
    };
    let names = ["a.txt", "b.csv", "d", "l"].map(str::to_owned).to_vec();
    assert_eq!(lines("NLST").await, (226, names.clone()));
    assert_eq!(lines("NLST *.txt").await, (226, vec!["a.txt".to_owned()]));
    assert_eq!(lines("NLST *.none").await, (226, Vec::new()));
    assert_eq!(lines("NLST missing").await.0, 550);
    let (code, listed) = lines("LIST -la").await;
    assert_eq!((code, listed.len()), (226, 4));
    assert!(
        listed
            .iter()
            .any(|line| line.starts_with("-rw") && line.ends_with(" a.txt")),
        "{listed:?}"
    );
    assert!(
        listed.iter().any(|line| line.starts_with('d') && line.ends_with(" d")),
        "{listed:?}"
    );
    assert!(
        listed
            .iter()
            .any(|line| line.starts_with('l') && line.ends_with(" l -> a.txt")),
        "{listed:?}"
    );
    assert_eq!(lines("LIST a.txt").await.1.len(), 1);
    let (code, listed) = lines("MLSD").await;
    assert_eq!((code, listed.len()), (226, 4));
    assert!(
        listed
            .iter()
            .any(|line| line.starts_with("type=file;size=3;") && line.ends_with(" a.txt"))
    );
    assert_eq!(lines("MLSD missing").await.0, 550);
    assert_eq!(lines("LIST d").await, (226, Vec::new()));
    let many: Vec<String> = (0..2_000).map(|number| format!("file-{number:05}")).collect();
    for name in &many {
        std::fs::write(world.on_disk("d").join(name), "").unwrap();
    }
    assert_eq!(lines("NLST d").await, (226, many));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rename_replaces_what_has_the_name() {
    let world = World::plain();
    world.put("f", b"new");
    world.put("g", b"old");
    let mut client = world.alice().await;
    assert_eq!((client.code("RNFR f").await, client.code("RNTO g").await), (350, 250));
    assert_eq!((world.get("f"), world.get("g")), (None, Some(b"new".to_vec())));
}

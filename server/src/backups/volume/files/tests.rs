use super::*;

fn key(text: &str) -> ObjectKey {
    text.parse().expect("a key")
}

fn text(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| fs::read_to_string(&piece.path).expect("a file")).collect()
}

fn upload(files: &Files, object: &ObjectKey, parts: &[(u16, &str)]) -> String {
    let id = files.begin(object).expect("begun");
    let folder = files.upload(object, &id).expect("an id");
    for (number, text) in parts {
        fs::write(folder.join(part_name(*number)), text).expect("written");
    }
    id
}

#[test]
fn uploads_replace_objects_and_leave_nothing_behind() {
    let root = tempfile::tempdir().expect("a directory");
    let (files, object) = (Files::new(root.path()), key("a/b/c"));
    files.put(&object, b"file").expect("stored");
    assert_eq!(text(&files.open(&object).expect("an object")), "file");
    for round in ["first", "second"] {
        let id = upload(&files, &object, &[(2, round), (1, "the ")]);
        fs::write(files.upload(&object, &id).expect("an id").join(".part-x"), "incomplete").expect("written");
        files.complete(&object, &id).expect("completed");
        files.complete(&object, &id).expect("completed again");
        assert_eq!(text(&files.open(&object).expect("an object")), format!("the {round}"));
    }
    let names = |folder: &str| fs::read_dir(root.path().join(folder)).expect("a directory").count();
    assert_eq!((names("objects/a/b/c"), names("uploads"), names("trash")), (2, 0, 0));
    files.put(&object, b"file").expect("stored");
    assert_eq!(text(&files.open(&object).expect("an object")), "file");
}

#[test]
fn incomplete_uploads_become_no_object() {
    let root = tempfile::tempdir().expect("a directory");
    let (files, object) = (Files::new(root.path()), key("a"));
    for (parts, rule) in
        [(&[][..], "no part"), (&[(2, "x")], "part 1 is missing"), (&[(1, "x"), (3, "x")], "part 2 is missing")]
    {
        let id = upload(&files, &object, parts);
        let error = files.complete(&object, &id).expect_err(rule);
        assert!(matches!(&error, StorageError::Invalid(text) if text.contains(rule)), "{error}");
    }
    for id in ["", "..", "../../objects", "aaaaaaaaaaaaaaaaaaaa"] {
        let error = files.complete(&object, id).expect_err(id);
        assert!(matches!(error, StorageError::NotFound(_)), "{id}: {error}");
    }
    assert!(matches!(files.open(&object), Err(StorageError::NotFound(_))));
}

#[test]
fn only_old_uploads_are_removed() {
    let root = tempfile::tempdir().expect("a directory");
    let (files, object) = (Files::new(root.path()), key("a/b"));
    let (begun, id) = (OffsetDateTime::UNIX_EPOCH + Duration::days(30_000), upload(&files, &object, &[(1, "x")]));
    let folder = files.upload(&object, &id).expect("an id");
    File::open(&folder).and_then(|file| file.set_modified(begun.into())).expect("a time");
    let litter = root.path().join("trash/left");
    fs::create_dir_all(litter.join("below")).expect("created");
    File::open(&litter).and_then(|file| file.set_modified(begun.into())).expect("a time");
    let soon = begun + Duration::MINUTE;
    assert_eq!(files.remove_old(soon, begun).expect("searched"), 0);
    assert!(folder.exists() && litter.exists());
    assert_eq!(files.remove_old(begun + Duration::DAY, soon).expect("searched"), 1);
    assert!(!folder.exists() && !litter.exists() && !root.path().join("uploads/a").exists());
}

#[test]
fn missing_volume_is_an_outage_and_is_not_created() {
    let root = tempfile::tempdir().expect("a directory");
    let files = Files::new(&root.path().join("not-mounted"));
    for result in [
        files.begin(&key("a")).map(drop),
        files.complete(&key("a"), &"a".repeat(ID_LENGTH)),
        files.put(&key("a"), b"x"),
        files.open(&key("a")).map(drop),
        files.delete(&"a/".parse().expect("a prefix")),
        files.check(),
    ] {
        assert!(matches!(result, Err(StorageError::Unavailable(_))), "{result:?}");
    }
    assert!(!root.path().join("not-mounted").exists());
}

#[test]
fn errors_of_the_file_system_are_classified() {
    for (kind, expected) in [
        (ErrorKind::StorageFull, StorageError::Full(String::new())),
        (ErrorKind::QuotaExceeded, StorageError::Full(String::new())),
        (ErrorKind::ReadOnlyFilesystem, StorageError::Denied(String::new())),
        (ErrorKind::NotADirectory, StorageError::Invalid(String::new())),
        (ErrorKind::StaleNetworkFileHandle, StorageError::Unavailable(String::new())),
    ] {
        let found = fault("a", &kind.into());
        assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(&expected), "{kind}: {found}");
    }
}

use std::io::Write as _;

use super::*;

/// A package with these entries: kind, path, content. Paths are written as they are, whatever they lead to.
fn package(entries: &[(tar::EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (kind, path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

const FILE: tar::EntryType = tar::EntryType::Regular;

fn chart() -> ChartFiles {
    let files = [("Chart.yaml", "name: tea\n"), ("templates/a.yaml", "a: 1\n"), ("plans/small.yaml", "")];
    ChartFiles(files.map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec())).into())
}

#[test]
fn digest_is_that_of_the_content_however_it_is_packed() {
    let dir = tempfile::tempdir().unwrap();
    chart().write(dir.path()).unwrap();
    assert_eq!(ChartFiles::read_dir(dir.path()).unwrap(), chart());
    let packed = chart().pack("tea").unwrap();
    assert_eq!(packed, chart().pack("tea").unwrap(), "the same package again");
    assert_eq!(ChartFiles::unpack(&packed).unwrap(), chart());
    let other = package(&[
        (tar::EntryType::Directory, "shop/", b""),
        (FILE, "shop/templates/a.yaml", b"a: 1\n"),
        (FILE, "shop/plans/small.yaml", b""),
        (FILE, "shop/Chart.yaml", b"name: tea\n"),
    ]);
    assert_eq!(ChartFiles::unpack(&other).unwrap().digest(), chart().digest());
    assert_eq!(chart().digest().len(), "sha256:".len() + 64);

    let mut renamed = chart();
    let content = renamed.0.remove("templates/a.yaml").unwrap();
    renamed.0.insert("templates/b.yaml".into(), content);
    let mut moved = chart();
    moved.0.insert("Chart.yaml".into(), b"name: te".to_vec());
    moved.0.insert("plans/small.yaml".into(), b"a\n".to_vec());
    for other in [renamed, moved] {
        assert_ne!(other.digest(), chart().digest());
    }
}

#[test]
fn hostile_packages_are_refused() {
    use tar::EntryType as Kind;
    for (entries, expected) in [
        (&[(FILE, "tea/../../etc/cron.d/x", &b"x"[..])][..], "outside"),
        (&[(FILE, "/etc/passwd", b"x")], "outside"),
        (&[(FILE, "../tea/Chart.yaml", b"x")], "outside"),
        (&[(FILE, "tea//Chart.yaml", b"x")], "outside"),
        (&[(FILE, "tea/./Chart.yaml", b"x")], "outside"),
        (&[(FILE, "tea/a\\b", b"x")], "outside"),
        (&[(FILE, "Chart.yaml", b"x")], "outside"),
        (&[(FILE, "tea/Chart.yaml", b"x"), (FILE, "other/Chart.yaml", b"x")], "outside"),
        (&[(FILE, "tea/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p", b"x")], "outside"),
        (&[(Kind::Symlink, "tea/link", b"")], "neither a file nor a directory"),
        (&[(Kind::Link, "tea/link", b"")], "neither a file nor a directory"),
        (&[(Kind::Char, "tea/device", b"")], "neither a file nor a directory"),
        (&[(Kind::Fifo, "tea/pipe", b"")], "neither a file nor a directory"),
        (&[(FILE, "tea/a", b"1"), (FILE, "tea/a", b"2")], "two entries"),
    ] {
        let error = ChartFiles::unpack(&package(entries)).expect_err(expected).to_string();
        assert!(error.contains(expected), "{entries:?}: {error}");
    }
    for broken in [&b""[..], b"not a package", &chart().pack("tea").unwrap()[..60]] {
        assert!(ChartFiles::unpack(broken).is_err());
    }
    let file_and_folder = package(&[(FILE, "tea/a", b"1"), (FILE, "tea/a/b", b"2")]);
    let dir = tempfile::tempdir().unwrap();
    assert!(ChartFiles::unpack(&file_and_folder).unwrap().write(dir.path()).is_err());
}

#[test]
fn size_is_bounded_however_small_the_package_is() {
    let zeros = vec![0; usize::try_from(BYTES_MAX).unwrap() / 2 + 1];
    let bomb = package(&[(FILE, "tea/a", &zeros), (FILE, "tea/b", &zeros)]);
    assert!(bomb.len() < 1024 * 1024);
    assert!(matches!(ChartFiles::unpack(&bomb), Err(ChartFilesError::TooLarge)));

    let names: Vec<String> = (0..=FILES_MAX).map(|number| format!("tea/{number}")).collect();
    let many: Vec<(_, _, &[u8])> = names.iter().map(|name| (FILE, name.as_str(), &b""[..])).collect();
    assert!(matches!(ChartFiles::unpack(&package(&many)), Err(ChartFilesError::TooLarge)));
    assert!(ChartFiles::unpack(&package(&many[..FILES_MAX])).is_ok());

    // A header that promises more than there is.
    let mut header = tar::Header::new_gnu();
    header.set_path("tea/a").unwrap();
    header.set_size(u64::MAX / 4);
    header.set_entry_type(FILE);
    header.set_cksum();
    let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
    writer.write_all(header.as_bytes()).unwrap();
    assert!(ChartFiles::unpack(&writer.finish().unwrap()).is_err());
}

//! Paths of znodes.

/// The path of a znode's parent; the root's is itself.
pub fn parent_of(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(slash) => &path[..slash],
    }
}

/// The part behind the last slash.
pub fn name_of(path: &str) -> &str {
    path.rsplit('/').next().expect("split gives at least one")
}

/// A path and those of its ancestors, up to the root's.
pub fn lineage(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| (*path != "/").then(|| parent_of(path)))
}

/// Whether a path tells at least where its parent is.
pub fn has_parent(path: &str) -> bool {
    path.contains('/') && !path.contains('\0')
}

/// Whether `path` may name a znode.
pub fn is_valid(path: &str) -> bool {
    path == "/"
        || path.strip_prefix('/').is_some_and(|rest| {
            let named = |name: &str| !matches!(name, "" | "." | "..") && name.chars().all(is_printable);
            rest.split('/').all(named)
        })
}

/// ZooKeeper's rule, which is Java's: it refuses control characters, private ones and those over 16 bits.
fn is_printable(character: char) -> bool {
    !matches!(character, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
}

/// Whether a path is one of ZooKeeper's own, which cannot be deleted.
pub fn is_special(path: &str) -> bool {
    matches!(path, "/" | "/zookeeper" | "/zookeeper/quota" | "/zookeeper/config")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_valid_as_zookeeper_says() {
        let valid = ["/", "/a", "/a/b", "/a.b", "/...", "/a b", "/\u{e4}", "/\u{4e16}"];
        let invalid = [
            "",
            "a",
            "//",
            "/a/",
            "/a//b",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a\0",
            "/a\n",
            "/\u{80}",
            "/\u{e000}",
            "/\u{1f600}",
        ];
        for path in valid {
            assert!(is_valid(path), "{path:?}");
        }
        for path in invalid {
            assert!(!is_valid(path), "{path:?}");
        }
    }

    #[test]
    fn a_lineage_ends_at_the_root() {
        assert_eq!(lineage("/a/b").collect::<Vec<_>>(), ["/a/b", "/a", "/"]);
        assert_eq!(lineage("/").collect::<Vec<_>>(), ["/"]);
    }
}

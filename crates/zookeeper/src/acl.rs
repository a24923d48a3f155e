//! Access control: who may do what with a znode, by the schemes `world`, `digest` and `auth`.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use sha1_smol::Sha1;
use wire::jute::{Acl, Id, permission};

use crate::codec::{Decoder, Encoder, Malformed};
use crate::types::ErrorCode;

/// Whom a client has shown to be, besides `world:anyone`. They belong to its connection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Credentials(Vec<Id>);

impl Credentials {
    /// A client presents `auth` under a scheme. Of digest, that is `user:password`, and known as `user:digest` from then on.
    ///
    /// # Errors
    /// `AuthFailed`, if the scheme is not known here.
    pub fn authenticate(&mut self, scheme: &str, auth: Option<&Bytes>) -> Result<(), ErrorCode> {
        let (true, Some(auth)) = (scheme == "digest", auth) else { return Err(ErrorCode::AuthFailed) };
        let id = Id { scheme: scheme.to_owned(), id: digest(&String::from_utf8_lossy(auth)) };
        if !self.0.contains(&id) {
            self.0.push(id);
        }
        Ok(())
    }

    /// Whether it is anyone.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends them.
    pub fn encode(&self, encoder: &mut Encoder) {
        encoder.list(&self.0, |encoder, id| {
            encoder.text(&id.scheme).text(&id.id);
        });
    }

    /// Reads what [`Credentials::encode`] wrote.
    pub fn decode(decoder: &mut Decoder) -> Result<Credentials, Malformed> {
        let id = |decoder: &mut Decoder| Ok(Id { scheme: decoder.text()?, id: decoder.text()? });
        decoder.list(id).map(Credentials)
    }
}

/// `user:password` as ZooKeeper keeps it: `user:base64(sha1(user:password))`.
fn digest(user_and_password: &str) -> String {
    let user = user_and_password.split(':').next().expect("split gives at least one");
    let hash = Sha1::from(user_and_password.as_bytes()).digest().bytes();
    format!("{user}:{}", BASE64_STANDARD.encode(hash))
}

/// A znode's access control list. The open one, all permissions for `world:anyone`, is kept as nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccessControl(Vec<Acl>);

impl AccessControl {
    /// The list that a client asks for: without duplicates, and with its own identities in the place of `auth`.
    ///
    /// # Errors
    /// `InvalidAcl`, if it is empty or names who cannot be authenticated here.
    pub fn resolve(requested: &[Acl], credentials: &Credentials) -> Result<AccessControl, ErrorCode> {
        let mut known = BTreeSet::new();
        let mut list = Vec::new();
        for acl in requested.iter().filter(|acl| known.insert(*acl)) {
            match acl.id.scheme.as_str() {
                "world" if acl.id.id == "anyone" => list.push(acl.clone()),
                "auth" if !credentials.is_empty() => {
                    let own = |id: &Id| Acl { permissions: acl.permissions, id: id.clone() };
                    list.extend(credentials.0.iter().map(own));
                }
                "digest" if is_digest(&acl.id.id) => list.push(acl.clone()),
                _ => return Err(ErrorCode::InvalidAcl),
            }
        }
        if list.is_empty() {
            return Err(ErrorCode::InvalidAcl);
        }
        Ok(AccessControl(if list == Acl::open() { Vec::new() } else { list }))
    }

    /// Whether it gives any of these [`permission`]s to who has these credentials.
    pub fn permits(&self, permissions: i32, credentials: &Credentials) -> bool {
        let is_meant = |id: &Id| id.scheme == "world" || credentials.0.contains(id);
        self.is_open() || self.0.iter().any(|acl| acl.permissions & permissions != 0 && is_meant(&acl.id))
    }

    /// The same as an error.
    pub(crate) fn check(&self, permissions: i32, credentials: &Credentials) -> Result<(), ErrorCode> {
        if self.permits(permissions, credentials) { Ok(()) } else { Err(ErrorCode::NoAuth) }
    }

    /// Whether it gives everything to everyone.
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// The list as these credentials may see it: only who may change it sees digests.
    ///
    /// # Errors
    /// `NoAuth`, if it may not be seen at all.
    pub fn visible(&self, credentials: &Credentials) -> Result<Vec<Acl>, ErrorCode> {
        self.check(permission::READ | permission::ADMIN, credentials)?;
        if self.is_open() {
            return Ok(Acl::open());
        }
        let mut list = self.0.clone();
        if !self.permits(permission::ADMIN, credentials) {
            for id in list.iter_mut().map(|acl| &mut acl.id).filter(|id| id.scheme == "digest") {
                let user = id.id.split(':').next().expect("split gives at least one");
                id.id = format!("{user}:x");
            }
        }
        Ok(list)
    }

    /// Appends it.
    pub fn encode(&self, encoder: &mut Encoder) {
        encoder.list(&self.0, |encoder, acl| {
            encoder.i32(acl.permissions).text(&acl.id.scheme).text(&acl.id.id);
        });
    }

    /// Reads what [`AccessControl::encode`] wrote.
    pub fn decode(decoder: &mut Decoder) -> Result<AccessControl, Malformed> {
        let acl = |decoder: &mut Decoder| {
            let permissions = decoder.i32()?;
            Ok(Acl { permissions, id: Id { scheme: decoder.text()?, id: decoder.text()? } })
        };
        decoder.list(acl).map(AccessControl)
    }
}

/// Whether an id has the form `user:digest`, by ZooKeeper's rule: two parts, not counting empty ones at the end.
fn is_digest(id: &str) -> bool {
    id.trim_end_matches(':').split(':').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(permissions: i32, scheme: &str, id: &str) -> Acl {
        Acl { permissions, id: Id { scheme: scheme.into(), id: id.into() } }
    }

    fn who(auths: &[&str]) -> Credentials {
        let mut credentials = Credentials::default();
        for auth in auths {
            credentials.authenticate("digest", Some(&Bytes::copy_from_slice(auth.as_bytes()))).expect("known");
        }
        credentials
    }

    const SUPER: &str = "super:UdxDQl4f9v5oITwcAsO9bmWgHSI=";

    #[test]
    fn a_digest_is_the_one_that_zookeeper_documents() {
        assert_eq!(digest("super:test"), "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
        assert_eq!(digest("user"), format!("user:{}", BASE64_STANDARD.encode(Sha1::from("user").digest().bytes())));
    }

    #[test]
    fn only_digests_can_be_presented() {
        let mut credentials = Credentials::default();
        for (scheme, auth) in [("world", Some("anyone")), ("sasl", Some("x")), ("", None), ("digest", None)] {
            let auth = auth.map(|auth| Bytes::from_static(auth.as_bytes()));
            assert_eq!(credentials.authenticate(scheme, auth.as_ref()), Err(ErrorCode::AuthFailed), "{scheme}");
        }
        assert!(credentials.is_empty());
        assert_eq!(who(&["a:1", "b:2", "a:1"]).0.len(), 2, "the same again is no other");
    }

    #[test]
    fn a_list_is_resolved_or_refused_as_zookeeper_does() {
        let open = acl(31, "world", "anyone");
        let me = who(&["a:1", "b:2"]);
        let own = |place: usize| Acl { permissions: 3, id: me.0[place].clone() };
        let resolved: [(&[Acl], &[Acl]); 5] = [
            (std::slice::from_ref(&open), &[]),
            (&[open.clone(), open.clone()], &[]),
            (&[acl(1, "world", "anyone")], &[acl(1, "world", "anyone")]),
            (&[open.clone(), acl(31, "digest", SUPER)], &[open.clone(), acl(31, "digest", SUPER)]),
            (&[acl(3, "auth", "")], &[own(0), own(1)]),
        ];
        for (requested, expected) in resolved {
            assert_eq!(AccessControl::resolve(requested, &me), Ok(AccessControl(expected.to_vec())), "{requested:?}");
        }
        let refused = [
            vec![],
            vec![acl(31, "world", "me")],
            vec![acl(31, "digest", "nobody")],
            vec![acl(31, "digest", "nobody:")],
            vec![acl(31, "digest", "a:b:c")],
            vec![acl(31, "", "")],
            vec![open, acl(31, "kerberos", "me")],
        ];
        for requested in refused {
            assert_eq!(AccessControl::resolve(&requested, &me), Err(ErrorCode::InvalidAcl), "{requested:?}");
        }
        let nobody = Credentials::default();
        assert_eq!(AccessControl::resolve(&[acl(31, "auth", "")], &nobody), Err(ErrorCode::InvalidAcl));
    }

    #[test]
    fn a_permission_is_given_to_whom_an_entry_names() {
        let (me, other) = (who(&["a:1"]), who(&["b:2"]));
        let list = [acl(permission::READ, "world", "anyone"), acl(permission::WRITE, "auth", "")];
        let list = AccessControl::resolve(&list, &me).unwrap();
        for (permissions, credentials, permitted) in [
            (permission::READ, &other, true),
            (permission::WRITE, &me, true),
            (permission::WRITE, &other, false),
            (permission::ADMIN, &me, false),
            (permission::READ | permission::ADMIN, &other, true),
        ] {
            assert_eq!(list.permits(permissions, credentials), permitted, "{permissions} {credentials:?}");
        }
        assert!(AccessControl::default().permits(permission::ALL, &Credentials::default()));
    }

    #[test]
    fn only_who_may_change_a_list_sees_its_digests() {
        let me = who(&["a:1"]);
        let list = [acl(permission::READ, "world", "anyone"), acl(permission::ADMIN, "auth", "")];
        let list = AccessControl::resolve(&list, &me).unwrap();
        assert_eq!(list.visible(&me).unwrap()[1].id.id, digest("a:1"));
        assert_eq!(list.visible(&Credentials::default()).unwrap()[1].id.id, "a:x");
        let closed = AccessControl::resolve(&[acl(permission::ADMIN, "auth", "")], &me).unwrap();
        assert_eq!(closed.visible(&Credentials::default()), Err(ErrorCode::NoAuth));
        assert_eq!(AccessControl::default().visible(&me), Ok(Acl::open()));
    }
}

//! ZooKeeper's records: session handshake, headers, stat, access control, events.

use bytes::Bytes;

use super::primitives::{Decoder, Encoder, JuteError};

/// Begins or resumes a session. The first frame on a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectRequest {
    /// Always 0.
    pub protocol_version: i32,
    /// The last zxid the client has seen; a server that is behind must refuse.
    pub last_zxid_seen: i64,
    /// Session timeout wished for, in ms.
    pub timeout: i32,
    /// The session to resume, or 0.
    pub session_id: i64,
    /// Its password.
    pub password: Bytes,
    /// Whether a read-only server will do; none if an old client left the byte out.
    pub read_only: Option<bool>,
}

/// The answer to [`ConnectRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectResponse {
    /// Always 0.
    pub protocol_version: i32,
    /// Session timeout granted, in ms; 0 if the session has expired.
    pub timeout: i32,
    /// The session; 0 if it has expired.
    pub session_id: i64,
    /// Its password.
    pub password: Bytes,
    /// Whether the server is read-only; none to leave the byte out, for clients that did.
    pub read_only: Option<bool>,
}

/// Before each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestHeader {
    /// The client's counter, or a special xid.
    pub xid: i32,
    /// The operation's code.
    pub operation: i32,
}

/// Before each reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplyHeader {
    /// The request's, or a special xid.
    pub xid: i32,
    /// The last zxid the server had applied.
    pub zxid: i64,
    /// An error code, or 0.
    pub error: i32,
}

/// A znode's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// Zxid of its creation.
    pub czxid: i64,
    /// Zxid of the last change of its data.
    pub mzxid: i64,
    /// Time of its creation, ms since 1970.
    pub ctime: i64,
    /// Time of the last change of its data, ms since 1970.
    pub mtime: i64,
    /// Changes of its data.
    pub version: i32,
    /// Changes of its children.
    pub cversion: i32,
    /// Changes of its access control list.
    pub aversion: i32,
    /// The session that owns it, or 0.
    pub ephemeral_owner: i64,
    /// Length of its data in bytes.
    pub data_length: i32,
    /// Number of its children.
    pub num_children: i32,
    /// Zxid of the last change of its children.
    pub pzxid: i64,
}

/// Who is meant by an access control entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id {
    /// Authentication scheme: `world`, `auth`, `digest`, `ip`.
    pub scheme: String,
    /// Within the scheme.
    pub id: String,
}

/// One access control entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Acl {
    /// Bits of [`super::permission`].
    pub permissions: i32,
    /// Who has them.
    pub id: Id,
}

/// A watch has fired, or the session's state has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WatcherEvent {
    /// Code of a [`super::EventType`].
    pub event_type: i32,
    /// Code of a [`super::KeeperState`].
    pub state: i32,
    /// The znode's path; empty for a change of state.
    pub path: String,
}

impl ConnectRequest {
    /// As a frame.
    pub fn encode(&self) -> Bytes {
        let mut encoder = Encoder::frame();
        encoder.int(self.protocol_version);
        encoder.long(self.last_zxid_seen);
        encoder.int(self.timeout);
        encoder.long(self.session_id);
        encoder.buffer(Some(&self.password));
        put_read_only(&mut encoder, self.read_only);
        encoder.finish()
    }

    /// From a frame.
    ///
    /// # Errors
    /// If the bytes are not a connect request.
    pub fn decode(frame: Bytes) -> Result<Self, JuteError> {
        let mut decoder = Decoder::from_frame(frame)?;
        Ok(Self {
            protocol_version: decoder.int()?,
            last_zxid_seen: decoder.long()?,
            timeout: decoder.int()?,
            session_id: decoder.long()?,
            password: decoder.buffer()?.unwrap_or_default(),
            read_only: get_read_only(&mut decoder)?,
        })
    }
}

impl ConnectResponse {
    /// As a frame.
    pub fn encode(&self) -> Bytes {
        let mut encoder = Encoder::frame();
        encoder.int(self.protocol_version);
        encoder.int(self.timeout);
        encoder.long(self.session_id);
        encoder.buffer(Some(&self.password));
        put_read_only(&mut encoder, self.read_only);
        encoder.finish()
    }

    /// From a frame.
    ///
    /// # Errors
    /// If the bytes are not a connect response.
    pub fn decode(frame: Bytes) -> Result<Self, JuteError> {
        let mut decoder = Decoder::from_frame(frame)?;
        Ok(Self {
            protocol_version: decoder.int()?,
            timeout: decoder.int()?,
            session_id: decoder.long()?,
            password: decoder.buffer()?.unwrap_or_default(),
            read_only: get_read_only(&mut decoder)?,
        })
    }
}

fn put_read_only(encoder: &mut Encoder, read_only: Option<bool>) {
    if let Some(read_only) = read_only {
        encoder.bool(read_only);
    }
}

fn get_read_only(decoder: &mut Decoder) -> Result<Option<bool>, JuteError> {
    if decoder.remaining() == 0 { Ok(None) } else { decoder.bool().map(Some) }
}

impl RequestHeader {
    /// Appends it.
    pub fn put(&self, encoder: &mut Encoder) {
        encoder.int(self.xid);
        encoder.int(self.operation);
    }

    /// Reads it.
    pub fn get(decoder: &mut Decoder) -> Result<Self, JuteError> {
        Ok(Self { xid: decoder.int()?, operation: decoder.int()? })
    }
}

impl ReplyHeader {
    /// Appends it.
    pub fn put(&self, encoder: &mut Encoder) {
        encoder.int(self.xid);
        encoder.long(self.zxid);
        encoder.int(self.error);
    }

    /// Reads it.
    pub fn get(decoder: &mut Decoder) -> Result<Self, JuteError> {
        Ok(Self { xid: decoder.int()?, zxid: decoder.long()?, error: decoder.int()? })
    }
}

impl Stat {
    /// Appends it.
    pub fn put(&self, encoder: &mut Encoder) {
        encoder.long(self.czxid);
        encoder.long(self.mzxid);
        encoder.long(self.ctime);
        encoder.long(self.mtime);
        encoder.int(self.version);
        encoder.int(self.cversion);
        encoder.int(self.aversion);
        encoder.long(self.ephemeral_owner);
        encoder.int(self.data_length);
        encoder.int(self.num_children);
        encoder.long(self.pzxid);
    }

    /// Reads it.
    pub fn get(decoder: &mut Decoder) -> Result<Self, JuteError> {
        Ok(Self {
            czxid: decoder.long()?,
            mzxid: decoder.long()?,
            ctime: decoder.long()?,
            mtime: decoder.long()?,
            version: decoder.int()?,
            cversion: decoder.int()?,
            aversion: decoder.int()?,
            ephemeral_owner: decoder.long()?,
            data_length: decoder.int()?,
            num_children: decoder.int()?,
            pzxid: decoder.long()?,
        })
    }
}

impl Acl {
    /// Everything for everyone: ZooKeeper's `OPEN_ACL_UNSAFE`, which Kafka uses without security.
    pub fn open() -> Vec<Self> {
        let id = Id { scheme: "world".to_owned(), id: "anyone".to_owned() };
        vec![Self { permissions: super::permission::ALL, id }]
    }

    /// Appends it.
    pub fn put(&self, encoder: &mut Encoder) {
        encoder.int(self.permissions);
        encoder.ustring(&self.id.scheme);
        encoder.ustring(&self.id.id);
    }

    /// Reads it.
    pub fn get(decoder: &mut Decoder) -> Result<Self, JuteError> {
        let permissions = decoder.int()?;
        // kazoo sends an empty id, which `auth` has, as null.
        let text = |decoder: &mut Decoder| decoder.nullable_ustring().map(Option::unwrap_or_default);
        let id = Id { scheme: text(decoder)?, id: text(decoder)? };
        Ok(Self { permissions, id })
    }
}

impl WatcherEvent {
    /// Appends it.
    pub fn put(&self, encoder: &mut Encoder) {
        encoder.int(self.event_type);
        encoder.int(self.state);
        encoder.ustring(&self.path);
    }

    /// Reads it.
    pub fn get(decoder: &mut Decoder) -> Result<Self, JuteError> {
        Ok(Self { event_type: decoder.int()?, state: decoder.int()?, path: decoder.ustring()? })
    }
}

-- A file of sessions as version 1 of its form had it, with something of everything.
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    user_id TEXT,
    created_at REAL NOT NULL,
    record TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE TABLE log (
    session_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (session_id, position)
) WITHOUT ROWID;
CREATE TABLE fences (
    session_id TEXT NOT NULL,
    role TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (session_id, role)
) WITHOUT ROWID;
CREATE TABLE spent (account TEXT PRIMARY KEY, amount REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE preferences (
    caller TEXT NOT NULL,
    user_id TEXT NOT NULL,
    density TEXT NOT NULL,
    PRIMARY KEY (caller, user_id)
) WITHOUT ROWID;
INSERT INTO sessions VALUES ('ses_0000000000000001', 'ann', 1.0, '{"session_id": "ses_0000000000000001", "video_url": "library:a.mp4", "start_time": 0.0, "end_time": null, "text": "be kind", "character_id": "miao", "user_id": "ann", "caller": "192.0.2.1", "density": null, "language": null, "created_at": 1.0}');
INSERT INTO log VALUES ('ses_0000000000000001', 1, 'stage', '{"version": 1, "kind": "stage", "stage": "fetching", "title": "Film"}');
INSERT INTO log VALUES ('ses_0000000000000001', 2, 'ready', '{"version": 1, "kind": "ready"}');
INSERT INTO fences VALUES ('ses_0000000000000001', 'producer', 3);
INSERT INTO spent VALUES ('2026-01-31/192.0.2.1', 0.25);
INSERT INTO preferences VALUES ('192.0.2.1', 'ann', 'quiet');
PRAGMA application_id = 1463960665;
PRAGMA user_version = 1;

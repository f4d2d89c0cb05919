-- min_binary: 0.1.0
-- +goose Up
CREATE TABLE incident (
    tenant_id   TEXT    NOT NULL,
    incident_id TEXT    NOT NULL,
    title_en    TEXT    NOT NULL,
    title_ja    TEXT    NOT NULL,
    severity    INTEGER NOT NULL,
    why_en      TEXT    NOT NULL,
    why_ja      TEXT    NOT NULL,
    state       TEXT    NOT NULL, -- new, triaging, closed
    verdict     TEXT    NOT NULL DEFAULT '',
    reason      TEXT    NOT NULL DEFAULT '',
    owner       TEXT    NOT NULL DEFAULT '',
    first       BIGINT  NOT NULL, -- µs UTC, first event of the story
    last        BIGINT  NOT NULL,
    hosts       TEXT    NOT NULL, -- JSON list of host ids
    hostnames   TEXT    NOT NULL, -- JSON list
    detections  INTEGER NOT NULL,
    processes   INTEGER NOT NULL,
    attack      TEXT    NOT NULL, -- JSON list
    entry_en    TEXT    NOT NULL,
    entry_ja    TEXT    NOT NULL,
    route       TEXT    NOT NULL,
    user_name   TEXT    NOT NULL,
    created     BIGINT  NOT NULL, -- µs UTC
    updated     BIGINT  NOT NULL,
    unseen      INTEGER NOT NULL,
    merged_into TEXT    NOT NULL DEFAULT '',
    story       BLOB    NOT NULL, -- JSON, docs/format/story.md
    PRIMARY KEY (tenant_id, incident_id)
);
CREATE INDEX incident_newest ON incident (tenant_id, merged_into, created DESC);

-- Which processes belong, so that a process page leads to its incident.
CREATE TABLE incident_process (
    tenant_id   TEXT NOT NULL,
    process     TEXT NOT NULL, -- HOST/p-…
    incident_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, process, incident_id)
);
CREATE INDEX incident_members ON incident_process (tenant_id, incident_id);

-- What people did to an incident, never changed.
CREATE TABLE incident_change (
    tenant_id   TEXT   NOT NULL,
    incident_id TEXT   NOT NULL,
    at          BIGINT NOT NULL, -- µs UTC
    state       TEXT   NOT NULL,
    verdict     TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    who         TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, incident_id, at, state)
);

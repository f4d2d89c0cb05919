-- min_binary: 0.1.0
-- +goose Up
CREATE TABLE detection (
    tenant_id    TEXT    NOT NULL,
    detection_id TEXT    NOT NULL,
    rule_id      TEXT    NOT NULL,
    rule_version TEXT    NOT NULL,
    title_en     TEXT    NOT NULL,
    title_ja     TEXT    NOT NULL,
    why_en       TEXT    NOT NULL,
    why_ja       TEXT    NOT NULL,
    todo_en      TEXT    NOT NULL,
    todo_ja      TEXT    NOT NULL,
    severity     INTEGER NOT NULL,
    attack       TEXT    NOT NULL, -- JSON list
    author       TEXT    NOT NULL,
    licence      TEXT    NOT NULL,
    matched      TEXT    NOT NULL, -- JSON list
    host_id      TEXT    NOT NULL,
    event_id     TEXT    NOT NULL,
    event_time   BIGINT  NOT NULL, -- µs UTC
    event        BLOB    NOT NULL, -- wire form of the event, so that a detection outlives retention
    detected     BIGINT  NOT NULL, -- µs UTC
    canary       INTEGER NOT NULL,
    search       TEXT    NOT NULL, -- lower case: what the queue's search looks through
    incident_id  TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, detection_id)
);
CREATE INDEX detection_newest ON detection (tenant_id, canary, detected DESC, detection_id DESC);
CREATE INDEX detection_incident ON detection (tenant_id, incident_id, event_time);
CREATE INDEX detection_rule ON detection (tenant_id, rule_id);

-- Detections over the bound of one rule on one host, by hour.
CREATE TABLE detection_suppressed (
    tenant_id  TEXT   NOT NULL,
    rule_id    TEXT   NOT NULL,
    host_id    TEXT   NOT NULL,
    hour       BIGINT NOT NULL, -- hours since 1970
    suppressed BIGINT NOT NULL,
    first      BIGINT NOT NULL, -- µs UTC
    last       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, rule_id, host_id, hour)
);

-- The last judged record of each shard. A shard holds every tenant, so this table has none.
CREATE TABLE judged (
    shard   INTEGER NOT NULL PRIMARY KEY,
    through BIGINT  NOT NULL
);

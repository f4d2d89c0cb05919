-- min_binary: 0.1.0
-- +goose Up
CREATE TABLE segment (
    tenant_id  TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    day        TEXT    NOT NULL,
    group_name TEXT    NOT NULL,
    level      INTEGER NOT NULL,
    min_time   BIGINT  NOT NULL,
    max_time   BIGINT  NOT NULL,
    received   BIGINT  NOT NULL,
    min_host   TEXT    NOT NULL,
    max_host   TEXT    NOT NULL,
    row_count  BIGINT  NOT NULL,
    bytes      BIGINT  NOT NULL,
    registry   INTEGER NOT NULL,
    shard      INTEGER NOT NULL,
    first_record BIGINT NOT NULL,
    last_record  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, path)
);
CREATE INDEX segment_by_time ON segment (tenant_id, group_name, max_time);
CREATE INDEX segment_by_received ON segment (received);
-- How far each shard of the log is sealed. The log belongs to all tenants, so no tenant stands here.
CREATE TABLE log_cursor (
    shard  INTEGER NOT NULL PRIMARY KEY,
    record BIGINT  NOT NULL
);
-- What is settled of each sequence: "1-17,20-20". stream is 16 hexadecimal digits.
CREATE TABLE sealed (
    tenant_id TEXT    NOT NULL,
    host_id   TEXT    NOT NULL,
    stream    TEXT    NOT NULL,
    lane      INTEGER NOT NULL,
    ranges    TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, host_id, stream, lane)
);

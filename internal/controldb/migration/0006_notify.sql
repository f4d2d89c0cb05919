-- min_binary: 0.1.0
-- +goose Up
-- One row is one notice for one channel; settled rows stay for 30 days, so that nothing is told twice.
CREATE TABLE notify_outbox (
    tenant_id  TEXT    NOT NULL,
    channel    TEXT    NOT NULL,
    notice_key TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    created    BIGINT  NOT NULL,
    due        BIGINT  NOT NULL,
    error      TEXT    NOT NULL,
    notice     TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, channel, notice_key)
);
CREATE INDEX notify_outbox_due ON notify_outbox (channel, state, due);
CREATE INDEX notify_outbox_created ON notify_outbox (created);

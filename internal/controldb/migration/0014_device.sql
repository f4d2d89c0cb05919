-- min_binary: 0.1.0
-- +goose Up
CREATE TABLE access_device (
    tenant_id TEXT   NOT NULL,
    hash      TEXT   NOT NULL,
    user_id   TEXT   NOT NULL,
    used      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
-- Sessions and guesses live in memory now; an older binary still finds its tables.
DELETE FROM access_session;
DELETE FROM access_guess;

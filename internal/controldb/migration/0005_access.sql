-- min_binary: 0.1.0
-- +goose Up
CREATE TABLE access_user (
    tenant_id   TEXT   NOT NULL,
    user_id     TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    password    TEXT   NOT NULL,
    totp_sealed TEXT   NOT NULL,
    totp_step   BIGINT NOT NULL,
    created     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);
CREATE UNIQUE INDEX access_user_name ON access_user (tenant_id, name);
CREATE TABLE access_link (
    tenant_id TEXT   NOT NULL,
    hash      TEXT   NOT NULL,
    expires   BIGINT NOT NULL,
    used      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
CREATE TABLE access_session (
    tenant_id TEXT   NOT NULL,
    hash      TEXT   NOT NULL,
    user_id   TEXT   NOT NULL,
    csrf      TEXT   NOT NULL,
    created   BIGINT NOT NULL,
    used      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
CREATE TABLE access_guess (
    tenant_id TEXT   NOT NULL,
    subject   TEXT   NOT NULL,
    since     BIGINT NOT NULL,
    guesses   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, subject)
);
CREATE TABLE access_audit (
    tenant_id TEXT   NOT NULL,
    time      BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    verb      TEXT   NOT NULL,
    target    TEXT   NOT NULL,
    detail    TEXT   NOT NULL,
    peer      TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, number)
);

-- min_binary: 0.1.0
-- +goose Up
ALTER TABLE host ADD COLUMN recording BIGINT NOT NULL DEFAULT 0;
ALTER TABLE enrol_token ADD COLUMN recording BIGINT NOT NULL DEFAULT 0;

-- min_binary: 0.1.0
-- +goose Up
ALTER TABLE host ADD COLUMN twice BIGINT NOT NULL DEFAULT 0;

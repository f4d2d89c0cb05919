-- min_binary: 0.1.0
-- +goose Up
-- SHA-256 of the file in hexadecimal, when it was last compared with it (µs UTC), and why it is not read any more.
ALTER TABLE segment ADD COLUMN sum TEXT NOT NULL DEFAULT '';
ALTER TABLE segment ADD COLUMN checked BIGINT NOT NULL DEFAULT 0;
ALTER TABLE segment ADD COLUMN bad TEXT NOT NULL DEFAULT '';

-- min_binary: 0.1.0
-- +goose Up
-- Why a row stands was read out of its sentence, which a sensor may write. Rows of older servers get their cause here once.
ALTER TABLE coverage ADD COLUMN cause TEXT NOT NULL DEFAULT '';
UPDATE coverage SET cause = 'planned', reason = '' WHERE state = 'silent' AND reason = 'the sensor was stopped during a maintenance that was ordered';
UPDATE coverage SET cause = 'replayed', reason = '' WHERE state = 'silent' AND reason = 'a recording that was replayed: nothing is watched there';
UPDATE coverage SET cause = 'stopped', reason = '' WHERE state = 'silent' AND reason IN ('the sensor was stopped', 'the sensor was stopped on request');
UPDATE coverage SET cause = 'shutdown', reason = substr(reason, 25) WHERE state = 'silent' AND reason LIKE 'the sensor was stopped: the host shuts down%';
UPDATE coverage SET cause = 'stopped', reason = substr(reason, 25) WHERE state = 'silent' AND cause = '' AND reason LIKE 'the sensor was stopped: %';
UPDATE coverage SET cause = 'silent', reason = '' WHERE state = 'silent' AND cause = '';
UPDATE coverage SET cause = 'missed' WHERE cause = '' AND reason LIKE 'the canary%did not come through%';
UPDATE coverage SET cause = 'held', reason = substr(reason, 40) WHERE cause = '' AND reason LIKE 'held back, and counted: file events of %';
UPDATE coverage SET cause = 'throttled', reason = substr(reason, 25) WHERE cause = '' AND reason LIKE 'held back, and counted: %';
UPDATE coverage SET cause = 'quarantined', reason = substr(reason, 16) WHERE cause = '' AND reason LIKE 'in quarantine: %';
UPDATE coverage SET cause = 'returned', reason = '' WHERE cause = '' AND reason = 'it was in quarantine and is stored now';
UPDATE coverage SET cause = 'lost' WHERE cause = '' AND lost > 0;
UPDATE coverage SET cause = 'declared' WHERE cause = '';

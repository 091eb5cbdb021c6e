-- When nobody is called: a silence mutes notifications and hides nothing.
CREATE TABLE IF NOT EXISTS silences
(
    id        UUID,
    stream    String COMMENT 'empty: every stream',
    edge_from String COMMENT 'empty: every edge',
    edge_to   String,
    starts    Int64,
    ends      Int64,
    author    String,
    reason    String,
    made_at   Int64,
    ended_by  String,
    version   Int64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id

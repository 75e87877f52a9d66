-- The indexes beside the primary keys; in a file of their own because a large load is faster without them.
CREATE INDEX workspace_items_created_at_idx ON workspace.workspace_items (created_at DESC);
CREATE INDEX workspace_items_updated_at_idx ON workspace.workspace_items (updated_at DESC);
CREATE INDEX workspace_items_category_idx ON workspace.workspace_items (category);
CREATE INDEX workspace_items_priority_idx ON workspace.workspace_items (priority);
CREATE INDEX workspace_items_status_idx ON workspace.workspace_items (status);
CREATE INDEX workspace_items_created_by_idx ON workspace.workspace_items (created_by);
CREATE INDEX workspace_items_category_status_idx ON workspace.workspace_items (category, status, created_at DESC);
CREATE INDEX workspace_items_title_lower_idx ON workspace.workspace_items (lower(title::text));
CREATE INDEX workspace_items_tags_idx ON workspace.workspace_items USING gin (tags);
CREATE INDEX workspace_items_metadata_idx ON workspace.workspace_items USING gin (metadata jsonb_path_ops);
CREATE INDEX workspace_items_open_idx ON workspace.workspace_items (priority, created_at DESC)
  WHERE status IN ('new', 'review', 'in-progress');
CREATE INDEX workspace_items_critical_idx ON workspace.workspace_items (created_at DESC)
  WHERE priority = 'critical';
COMMENT ON INDEX workspace.workspace_items_open_idx IS 'The kanban board reads only open items';
CREATE INDEX workspace_audit_log_item_idx ON workspace.workspace_audit_log (item_id, changed_at DESC);
CREATE INDEX workspace_audit_log_changed_at_idx ON workspace.workspace_audit_log (changed_at DESC);
CREATE INDEX workspace_audit_log_action_idx ON workspace.workspace_audit_log (action);

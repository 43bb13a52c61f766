"""The database's history, one file a change, oldest first; run by `monitor.store.via_sql.schema.upgrade`."""

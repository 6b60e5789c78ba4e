"""What each `wbkit` command does; its options are in `wbkit.options`."""

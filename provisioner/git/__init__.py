"""Git itself: objects, packs, refs and processes.  Nothing here knows what a workflow is."""

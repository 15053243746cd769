"""Sequential and ModuleList."""

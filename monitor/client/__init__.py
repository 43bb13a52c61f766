"""Small functions for the services that are watched. Each module stands alone, needs nothing, and may be copied."""

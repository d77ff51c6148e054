"""Students: small networks and how each starts from a teacher."""

"""A project as it was loaded: a copy that nothing on disk can change, and the process that workers are forks of."""

"""Pictures of scenes: a Blender in each worker process, and the 2D dot."""

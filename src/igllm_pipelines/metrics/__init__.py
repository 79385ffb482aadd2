"""How far predicted scenes are from the true ones: pure functions of scene lists."""

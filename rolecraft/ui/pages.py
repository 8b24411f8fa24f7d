"""The pages beside the talk, by the path below the house's address.

Knows no component: the bar at the top, the guard and the application all read this list.
"""

PATHS = ("compare", "rate", "results", "cast")  # in the order of the bar

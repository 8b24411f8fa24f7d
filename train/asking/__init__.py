"""Asks an engine many questions whose answers have a form: cheaply, resumably and countably.

A stage makes `Task`s; `work` carries them out. Knows no stage and no character.
"""

from train.asking.tasks import Refused, Request, Settled, Task, settle
from train.asking.work import Done, add_options, work

__all__ = ["Done", "Refused", "Request", "Settled", "Task", "add_options", "settle", "work"]

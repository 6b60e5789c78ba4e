"""pytest --nbval: nbval keeps no history, without which IPython ignores a semicolon at a cell's end."""

from nbval.kernel import RunningKernel


def _execute(self: RunningKernel, cell_input: str, allow_stdin: bool | None = None) -> str:
    """As nbval's own, with the history that `nbclient` and JupyterLab keep, too; returns the message's id."""
    return self.kc.execute(cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)


RunningKernel.execute_cell_input = _execute

"""The one exception that the project raises on purpose."""


class UserError(Exception):
    """A problem that the user can solve.

    The message is all that reaches the terminal, so it says in one or two lines what is wrong,
    where, and what to change; a report on data files has a line for each problem.
    """

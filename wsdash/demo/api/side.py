"""Whether the API's database is the side that serves, as the online move notes it there.

A database that is being filled would answer reads with what has arrived so far. So the new generation
answers 503 to them until its side is open; without an online move nothing is noted, and it answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from wsdash.data.online.tracked import STATE
from wsdash.data.pg.quoting import literal

PRESENT = f"select to_regclass({literal(STATE)}) is not null"
OPEN = f"select state = 'open' from {STATE}"


@dataclass
class ServedSide:
    """What is known of the database of one API. noted: the last answer spoke of an online move."""

    noted: bool = False

    async def serves(self, conn: asyncpg.Connection | PoolConnectionProxy) -> bool:
        """Asked anew for each request, before it reads. Raises asyncpg.PostgresError."""
        try:
            # not asked of a table that is not there: the server would log an error a request
            if not self.noted and not await conn.fetchval(PRESENT):
                return True
            self.noted = True
            answer = await conn.fetchval(OPEN)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            self.noted = False
            return True
        except asyncpg.InsufficientPrivilegeError:
            return True  # a role that may not look is none of the move's
        return answer is not False

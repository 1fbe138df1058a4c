"""What can be wrong with a user's data before any rule of a contract is asked."""

from __future__ import annotations

from shipway.kernel.errors import ShipwayError


class DataMissing(ShipwayError):
    """There is no file or folder at the path of a data set."""

    code = "data.missing"


class DataEmpty(ShipwayError):
    """A folder without any file, or a snapshot without any table."""

    code = "data.empty"


class DataUnreadable(ShipwayError):
    """A file that is not what its name says (a cut Parquet file), or tables that do not fit together."""

    code = "data.unreadable"


class ProfileMismatch(ShipwayError):
    """Rows that cannot be profiled against this reference: another type, other edges, unequal lengths."""

    code = "data.profile-mismatch"


class CheckoutRefused(ShipwayError):
    """A folder cannot be made to hold a snapshot without a loss, or not on this file system."""

    code = "data.checkout-refused"


class RemoteEmpty(ShipwayError):
    """A remote has not what is asked of it."""

    code = "data.remote-empty"


class RemoteAhead(ShipwayError):
    """Two sides have each a snapshot of a data set that the other never had."""

    code = "data.remote-ahead"


class SuiteMalformed(ShipwayError):
    """A file that is no expectation suite, or an expectation whose kwargs cannot mean anything."""

    code = "data.suite-malformed"


class SuiteUnsupported(ShipwayError):
    """An expectation, or a use of one, that only Great Expectations itself can judge."""

    code = "data.suite-unsupported"


class RegexEndless(ShipwayError):
    """A regular expression that backtracks for longer than it may take."""

    code = "data.regex-endless"


class EngineFailed(ShipwayError):
    """The Python that was named has no Great Expectations that runs, or it could not run this suite."""

    code = "data.engine-failed"


class KeyMissing(ShipwayError):
    """Columns that should name a row are not in both of what is compared."""

    code = "data.key-missing"


class LabelTaken(ShipwayError):
    """A branch or a tag that cannot have this name, is there already, or stays where it is."""

    code = "data.label-taken"


class NoCommonSnapshot(ShipwayError):
    """Two refs of a data set that never were at one snapshot, so nobody can say what each changed."""

    code = "data.no-common-snapshot"


class SourceDown(ShipwayError):
    """A database, a table or a bucket that data come from cannot be reached, or went away in the middle."""

    code = "data.source-down"
    retry = True


class QueryRefused(ShipwayError):
    """A database does not run the query of a data set, or it would write."""

    code = "data.query-refused"


class RowsUnfit(ShipwayError):
    """Rows that cannot be a snapshot: a key twice or null, a value that no type holds."""

    code = "data.rows-unfit"


class SourceChanged(ShipwayError):
    """Rows cannot be appended to the last snapshot: the query or a column's type is another."""

    code = "data.source-changed"


class NotHere(ShipwayError):
    """The bytes of a snapshot of data in place are asked for where none of them were brought."""

    code = "data.not-here"


class SourceGone(ShipwayError):
    """What a snapshot of data in place names is not there any more, or is something else by now."""

    code = "data.source-gone"

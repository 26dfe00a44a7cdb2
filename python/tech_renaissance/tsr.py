"""The names that `tech_renaissance.tsr` has for users."""

from .data.tsr import TSRError, TsrInfo, export_tsr, get_tsr_info, import_tsr, read_tsr, tsr_info, write_tsr

__all__ = ["TSRError", "TsrInfo", "export_tsr", "get_tsr_info", "import_tsr", "read_tsr", "tsr_info", "write_tsr"]

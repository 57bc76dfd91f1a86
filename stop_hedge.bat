@echo off
rem Stop the pair of this host: A first, then, once everything is hedged, B. Any console will do.
setlocal
set "HEDGE_CALLED_IN=%CD%"
cd /d "%~dp0" || exit /b 2
if not exist .venv\Scripts\python.exe (
    echo There is no .venv here, so nothing was started from here; see start_hedge.bat. 1>&2
    exit /b 2
)
.venv\Scripts\python.exe -m hedge.launcher --stop %*
exit /b %errorlevel%

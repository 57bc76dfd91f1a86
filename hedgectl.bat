@echo off
rem The operator's tool in the program's own .venv, from any folder: hedgectl status --config FILE
if not exist "%~dp0.venv\Scripts\python.exe" (
    echo There is no .venv here yet: start_hedge.bat makes it. 1>&2
    exit /b 2
)
"%~dp0.venv\Scripts\python.exe" "%~dp0hedgectl.py" %*
exit /b %errorlevel%

@echo off
rem Start the pair. Finds Python, makes .venv and installs the requirements once; the rest is Python.
rem   start_hedge.bat --paper
rem   start_hedge.bat --market ETH --quantity 0.01 --depth 1 --config config.yaml
rem   start_hedge.bat --detach      in the background; stop_hedge.bat stops it from any console
setlocal
rem A relative --config FILE is the caller's.
set "HEDGE_CALLED_IN=%CD%"
cd /d "%~dp0" || exit /b 2

rem A .venv that was moved, or that an earlier start did not finish, is made again.
if not exist .venv\.begun .venv\Scripts\python.exe -m pip --version >nul 2>&1 && goto install
set "PY="
rem A path with blanks keeps its quotes.
if defined PYTHON (
    "%PYTHON%" -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))" >nul 2>&1 && set PY="%PYTHON%"
)
for %%P in ("py -3.11" "py -3" "python") do (
    if not defined PY (
        %%~P -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))" >nul 2>&1 && set "PY=%%~P"
    )
)
if not defined PY (
    echo Python 3.11 or newer is needed: install it from python.org or the Microsoft Store, or set PYTHON to its python.exe. 1>&2
    exit /b 2
)
echo Making .venv ... 1>&2
%PY% -m venv --clear .venv
if errorlevel 1 (
    echo No .venv can be made here; the line above says why. Put the program where you may write. 1>&2
    exit /b 2
)

:install
copy /b /y requirements.txt+constraints.txt .venv\.wanted.txt >nul || exit /b 2
fc /b .venv\.wanted.txt .venv\.installed.txt >nul 2>&1 && goto run
echo Installing requirements.txt into .venv (once, about a minute) ... 1>&2
type nul >.venv\.begun
.venv\Scripts\python.exe -m pip install --quiet --disable-pip-version-check -r requirements.txt 1>&2
if errorlevel 1 (
    del .venv\.begun
    echo The requirements could not be installed; the lines above say why. 1>&2
    exit /b 2
)
copy /b /y .venv\.wanted.txt .venv\.installed.txt >nul || exit /b 2
del .venv\.begun

:run
.venv\Scripts\python.exe -m hedge.launcher %*
exit /b %errorlevel%

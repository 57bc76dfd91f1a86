@echo off
rem Start the pair. Finds Python, makes .venv and installs the requirements once; the rest is Python.
rem   start_hedge.bat --paper
rem   start_hedge.bat --market ETH --quantity 0.01 --depth 1 --config config.yaml
setlocal
cd /d "%~dp0"

if exist .venv\Scripts\python.exe goto install
set "PY="
for %%P in ("py -3.11" "py -3" "python") do (
    if not defined PY (
        %%~P -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))" >nul 2>&1 && set "PY=%%~P"
    )
)
if not defined PY (
    echo Python 3.11 or newer is needed: install it from python.org or the Microsoft Store. 1>&2
    exit /b 2
)
echo Making .venv ... 1>&2
%PY% -m venv .venv || exit /b 2

:install
fc /b requirements.txt .venv\.requirements.txt >nul 2>&1 && goto run
echo Installing requirements.txt into .venv (once, about a minute) ... 1>&2
.venv\Scripts\python.exe -m pip install --quiet --disable-pip-version-check -r requirements.txt || exit /b 2
copy /y requirements.txt .venv\.requirements.txt >nul

:run
.venv\Scripts\python.exe -m hedge.up %*
exit /b %errorlevel%

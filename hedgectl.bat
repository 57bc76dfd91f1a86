@rem The operator's tool in the program's own .venv: hedgectl status --config FILE
@"%~dp0.venv\Scripts\python.exe" "%~dp0hedgectl.py" %*

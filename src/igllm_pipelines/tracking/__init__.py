"""What MLflow is told of a run, see ``docs/mlflow.md``.

``hook`` listens to Kedro; ``server`` is the first contact with database or server;
``runs`` opens the runs, ``parameters`` flattens what they were given, ``origin`` says
what they come from; ``saved`` logs each dataset in its way, ``live`` speaks while a
training goes on; ``champion`` gives the best model its name.
"""

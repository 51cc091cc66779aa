// Loaded before MLflow's own pages: their assistant needs a language model behind this server, which there is none of.
"use strict";
try {
  localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
  localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
} catch {
  // a browser that keeps nothing shows the panel once; closing it is enough
}

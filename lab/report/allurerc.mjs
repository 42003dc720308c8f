// Read by `allure generate`. Paths come from lab.report by environment: they are of the cache.
import { existsSync, readFileSync } from "node:fs";

// Written by the pytest plugin; this version of Allure takes it from here only.
const categories = `${process.env.EDGE_LAB_RESULTS}/categories.json`;

export default {
  name: "edge-lab",
  output: process.env.EDGE_LAB_REPORT,
  historyPath: process.env.EDGE_LAB_REPORT_HISTORY,
  historyLimit: 50,
  ...(existsSync(categories) && { categories: JSON.parse(readFileSync(categories, "utf8")) }),
  plugins: {
    awesome: {
      options: {
        reportName: "edge-lab: what survived",
        singleFile: true,
        reportLanguage: "en",
        groupBy: ["feature", "story"],
      },
    },
  },
};

// First module of every bundle. The order matters: nothing of the project runs before the engine is locked down.

import "airlock:sdk/lockdown";
import "airlock:sdk/text";
import "airlock:sdk/console";
import "airlock:sdk/random";
import "airlock:sdk/fetch";
import handle from "airlock:project/entry";
import { serve } from "airlock:sdk/handler";

export const handler = serve(handle);
